package fetch

import "net/netip"

// closed are the parts of the internet that belong to single machines and networks,
// or to no one (IANA's registries of special-purpose addresses, RFC 6890). Of IPv6
// only what is given out, 2000::/3, is open at all: the rest holds private and
// link-local networks, and IPv4 in disguise (mapped, compatible, NAT64).
var closed = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // between providers and their customers
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, where clouds have their metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // relays to IPv6
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/3",     // multicast, reserved, broadcast
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // IPv4 in disguise: 6to4
	"3fff::/20",       // documentation
)

// given is the part of IPv6 that is given out.
var given = netip.MustParsePrefix("2000::/3")

// public says that all the world can reach an address.
func public(a netip.Addr) bool {
	if a.Zone() != "" || a.Is6() && !given.Contains(a) {
		return false
	}
	for _, p := range closed {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}
