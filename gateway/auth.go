package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// guard decides who may use the API. With keys, a request must carry one. With
// none, only this machine may ask, unless the operator opened the server.
type guard struct {
	keys [][sha256.Size]byte
	open bool
}

func newGuard(keys []string, open bool) guard {
	gd := guard{open: open}
	for _, k := range keys {
		if k = strings.TrimSpace(k); k != "" {
			gd.keys = append(gd.keys, sha256.Sum256([]byte(k)))
		}
	}
	return gd
}

// keyless tells whether anybody who can connect may ask.
func (gd guard) keyless() bool { return len(gd.keys) == 0 }

// check gives an error for a request that may not use the API.
func (gd guard) check(r *http.Request) error {
	if gd.keyless() {
		if gd.open || fromLoopback(r) {
			return nil
		}
		return fault.New(invalidKey, "this server has no API keys configured, so it answers its own machine only")
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return fault.New(invalidKey, "no API key: send the header Authorization: Bearer KEY")
	}
	// Digests have one length, and every key is compared to the end: the time
	// taken tells nothing about how near a guess was.
	given, found := sha256.Sum256([]byte(strings.TrimSpace(key))), 0
	for i := range gd.keys {
		found |= subtle.ConstantTimeCompare(given[:], gd.keys[i][:])
	}
	if found == 0 {
		return fault.New(invalidKey, "the API key is not valid")
	}
	return nil
}

func fromLoopback(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// authorize is the middleware of everything that isn't a page or a health check.
func (g *Gateway) authorize(c *gin.Context) {
	if err := g.guard.check(c.Request); err != nil {
		g.fail(c, err)
	}
}

// hostName is the host of "host", "host:port" or "[v6]:port", in lower case.
func hostName(hostPort string) string {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
