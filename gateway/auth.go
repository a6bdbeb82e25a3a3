package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/quota"
)

// Keys is what the gateway needs of a keys.Ring.
type Keys interface {
	Empty() bool
	Find(secret string) (keys.Key, bool)
	List(ctx context.Context) ([]keys.Key, error)
	Create(ctx context.Context, s keys.Spec) (keys.Key, string, error)
	Revoke(ctx context.Context, id string) error
}

// caller is who makes a request, and what they may do.
type caller struct {
	id     string // to count by
	key    string // its id, for the log; empty: there is none, or it has none
	all    bool   // whatever there is
	scopes []keys.Scope
	limits quota.Limits
}

// guard decides who may use the API. With keys, a request must carry one. With
// none, only this machine may ask, unless the operator opened the server.
type guard struct {
	plain  [][sha256.Size]byte // digests of keys that may do everything
	keys   Keys
	open   bool
	client quota.Limits // of each address, without keys
}

func newGuard(o Options) guard {
	gd := guard{keys: o.Keys, open: o.OpenAccess, client: o.ClientLimits}
	for _, k := range o.APIKeys {
		if k = strings.TrimSpace(k); k != "" {
			gd.plain = append(gd.plain, sha256.Sum256([]byte(k)))
		}
	}
	return gd
}

// keyless tells whether anybody who can connect may ask.
func (gd guard) keyless() bool { return len(gd.plain) == 0 && gd.keys.Empty() }

// identify says who makes a request, or why they may not.
func (gd guard) identify(r *http.Request) (caller, error) {
	if gd.keyless() {
		if gd.open || fromLoopback(r) {
			return caller{id: clientID(r), all: true, limits: gd.client}, nil
		}
		return caller{}, fault.New(invalidKey, "this server has no API keys configured, so it answers its own machine only")
	}
	secret := shownKey(r)
	if secret == "" {
		return caller{}, fault.New(invalidKey, "no API key: send the header Authorization: Bearer KEY, or x-api-key: KEY")
	}
	// Digests have one length, and every key is compared to the end: the time
	// taken tells nothing about how near a guess was.
	given, found := sha256.Sum256([]byte(secret)), 0
	for i := range gd.plain {
		found |= subtle.ConstantTimeCompare(given[:], gd.plain[i][:])
	}
	if found == 1 {
		return caller{id: "key", all: true}, nil
	}
	k, ok := gd.keys.Find(secret)
	switch {
	case !ok:
		return caller{}, fault.New(invalidKey, "the API key is not valid")
	case k.Expired(time.Now()):
		return caller{}, fault.New(invalidKey, "the API key expired at %s", k.ExpiresAt.Format(time.RFC3339))
	}
	return caller{id: k.ID, key: k.ID, scopes: k.Scopes, limits: k.Limits}, nil
}

// shownKey is the key that a request carries, in OpenAI's header or Anthropic's.
func shownKey(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return strings.TrimSpace(r.Header.Get("X-Api-Key"))
}

// owner names whoever makes a request, in what is kept of it: a digest of the
// key, and not the one that keys are recognised by. Without keys there is one
// owner, whose name is empty.
func (gd guard) owner(r *http.Request) string {
	if gd.keyless() {
		return ""
	}
	digest := sha256.Sum256([]byte("mergeway owner\x00" + shownKey(r)))
	return hex.EncodeToString(digest[:])
}

func fromLoopback(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// clientID names the machine that connects. One that speaks IPv6 has a whole /64
// of addresses to choose from.
func clientID(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "client"
	}
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64) // which no address refuses
		return "client " + network.String()
	}
	return "client " + ip.String()
}

// authorize is the middleware of everything that isn't a page or a health check:
// it lets a request through that somebody makes who may, and often enough.
func (g *Gateway) authorize(c *gin.Context) {
	who, err := g.guard.identify(c.Request)
	if err == nil {
		c.Set(apiKeyKey, who.key)
		c.Set(whoKey, who)
		err = who.may(scopeOf(c.Request.Method, c.FullPath()))
	}
	if err != nil {
		g.fail(c, err)
		return
	}
	g.meter(c, who)
}

// whoAsks is the caller of a request that authorize has let through.
func whoAsks(c *gin.Context) caller {
	who, _ := c.Value(whoKey).(caller)
	return who
}

// hostName is the host of "host", "host:port" or "[v6]:port", in lower case.
func hostName(hostPort string) string {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
