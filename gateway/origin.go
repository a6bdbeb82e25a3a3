package gateway

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// A server on loopback without a key trusts whoever can connect, and every page
// in this machine's browser can. Two headers that a page cannot forge tell them
// apart: Origin, on requests that a foreign page makes, and Host, which gives
// away a foreign name that was re-pointed at this machine (DNS rebinding).

// anyOrigin in the configuration lets every page in.
const anyOrigin = "*"

// origins decides which browsers' pages may talk to the server.
type origins struct {
	allowed []string // such as "https://ui.example.com", or "*"
	hosts   []string // names this server may be called by, besides addresses and localhost
	keyless func() bool
}

// check gives an error for a request that comes from a foreign page.
func (o origins) check(r *http.Request) error {
	if o.keyless() && !o.ownName(hostName(r.Host)) {
		return fault.New(forbidden, "this server is not called %q: add the name to the allowed hosts, or set an API key", clip(r.Host, 100))
	}
	origin := r.Header.Get("Origin")
	if origin != "" {
		if o.trusts(r, origin) {
			return nil
		}
		return fault.New(forbidden, "pages of %s may not use this server: add it to the allowed origins", clip(origin, 100))
	}
	// Browsers leave Origin out where nothing can be changed or read, but not
	// all of them always did.
	unsafe := r.Method != http.MethodGet && r.Method != http.MethodHead
	if unsafe && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return fault.New(forbidden, "pages of other sites may not use this server")
	}
	return nil
}

// trusts tells whether a page of this origin is our own or an allowed one.
func (o origins) trusts(r *http.Request, origin string) bool {
	if slices.Contains(o.allowed, anyOrigin) || slices.Contains(o.allowed, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// ownName tells whether a Host header names this server and could not have been
// chosen by a stranger: an address needs no DNS, so it can't be re-pointed.
func (o origins) ownName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.Contains(o.hosts, host) || slices.Contains(o.hosts, anyOrigin)
}

// exposedHeaders are those of our replies that a page of another origin may read.
const exposedHeaders = requestIDHeader + ", " + anthropicRequestIDHeader + ", Retry-After, Location, ETag, " + rateHeaders

// screen refuses foreign pages, and tells a browser which origins are allowed.
func (g *Gateway) screen(c *gin.Context) {
	if err := g.origins.check(c.Request); err != nil {
		g.fail(c, err)
		return
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin") // a cache must not give one page what was another's
	if origin := c.GetHeader("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
		if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
			h.Set("Access-Control-Allow-Headers", c.GetHeader("Access-Control-Request-Headers"))
			h.Set("Access-Control-Max-Age", "600")
			h.Add("Vary", "Access-Control-Request-Headers")
			c.AbortWithStatus(http.StatusNoContent)
		}
	}
}
