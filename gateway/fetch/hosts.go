package fetch

import (
	"net"
	"net/url"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// pattern is an entry of the list of hosts.
type pattern struct {
	name string // in lower case; with a dot before it, all names below it
	port string // "": the scheme's own
}

// parseHosts reads the list of hosts: names such as images.example.com, all names
// below one as *.example.com, either with a port if it is not the scheme's own.
func parseHosts(hosts []string) ([]pattern, error) {
	var all []pattern
	for _, h := range hosts {
		u, err := url.Parse("https://" + strings.TrimPrefix(h, "*."))
		if err != nil || u.Hostname() == "" || u.Host != strings.TrimPrefix(h, "*.") ||
			strings.ContainsAny(u.Hostname(), "*% ") || strings.HasSuffix(u.Host, ":") {
			return nil, fault.Bad("picture-hosts", "%q is no host: entries are such as images.example.com, *.example.com or images.example.com:8443", h)
		}
		p := pattern{name: canonical(u.Hostname()), port: u.Port()}
		if strings.HasPrefix(h, "*.") {
			if net.ParseIP(p.name) != nil || !strings.Contains(p.name, ".") {
				return nil, fault.Bad("picture-hosts", "%q stands for too much", h)
			}
			p.name = "." + p.name
		}
		all = append(all, p)
	}
	return all, nil
}

// canonical is a name as names are compared.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// check refuses an address that may not be fetched from, before anything is resolved.
func (f *Fetcher) check(u *url.URL) error {
	ports := map[string]string{"https": "443", "http": "80"}
	switch {
	case u.Scheme == "http" && !f.options.HTTP:
		return fault.New(fault.Invalid, "pictures are fetched over https only")
	case ports[u.Scheme] == "":
		return fault.New(fault.Invalid, "an address of a picture begins with https://, or is a data URI")
	case u.User != nil:
		return fault.New(fault.Invalid, "an address with a user or password in it is not fetched")
	case u.Hostname() == "":
		return fault.New(fault.Invalid, "the address names no host")
	}
	name, port := canonical(u.Hostname()), u.Port()
	if port == ports[u.Scheme] {
		port = ""
	}
	for _, p := range f.hosts {
		if p.port == port && (p.name == name || p.name[0] == '.' && len(name) > len(p.name) && strings.HasSuffix(name, p.name)) {
			return nil
		}
	}
	host := u.Host
	if len(host) > 256 {
		host = host[:256] + "…"
	}
	return fault.New(fault.Invalid, "this server does not fetch from %q", host)
}
