package gateway

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/quota"
)

// Quota is what the gateway needs of a quota.Local or quota.Shared.
type Quota interface {
	Take(ctx context.Context, caller string, l quota.Limits) quota.Verdict
	Charge(ctx context.Context, caller string, l quota.Limits, tokens int)
}

// meter lets a request through that is within its caller's limits, to the end of
// which it takes up one of the caller's places. Reading costs nothing, and only
// inference takes tokens.
func (g *Gateway) meter(c *gin.Context, who caller) {
	limits := who.limits
	if scopeOf(c.Request.Method, c.FullPath()) != keys.Inference {
		limits.Tokens = 0
	}
	reads := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if reads || limits == (quota.Limits{}) {
		return
	}
	ctx := c.Request.Context()
	v := g.quota.Take(ctx, who.id, limits)
	showStanding(c.Writer.Header(), limits, v)
	if v.Refused != "" {
		// At least one second, since a client that waits for none asks at once.
		c.Header("Retry-After", strconv.Itoa(max(1, int(math.Ceil(v.Retry.Seconds())))))
		g.fail(c, fault.New(rateLimited, "the limit of %d %s is reached: try again in %s", limits.Of(v.Refused), v.Refused, rounded(v.Retry)))
		return
	}
	defer v.Release()
	if limits.Tokens > 0 {
		charge := func(tokens int) { g.quota.Charge(ctx, who.id, limits, tokens) }
		c.Request = c.Request.WithContext(context.WithValue(ctx, chargeContext{}, charge))
	}
	c.Next()
}

// showStanding tells a client how far it may go, in OpenAI's headers.
func showStanding(h http.Header, l quota.Limits, v quota.Verdict) {
	for _, rate := range []struct {
		name  string
		limit int
		quota.Standing
	}{{"Requests", l.Requests, v.Requests}, {"Tokens", l.Tokens, v.Tokens}} {
		if rate.limit > 0 {
			h.Set("X-Ratelimit-Limit-"+rate.name, strconv.Itoa(rate.limit))
			h.Set("X-Ratelimit-Remaining-"+rate.name, strconv.Itoa(rate.Remaining))
			h.Set("X-Ratelimit-Reset-"+rate.name, rounded(rate.Reset).String())
		}
	}
}

// rateHeaders are those that showStanding sets, for browsers that have to be told.
const rateHeaders = "X-Ratelimit-Limit-Requests, X-Ratelimit-Remaining-Requests, X-Ratelimit-Reset-Requests, " +
	"X-Ratelimit-Limit-Tokens, X-Ratelimit-Remaining-Tokens, X-Ratelimit-Reset-Tokens"

// rounded is a duration as people read it, never less than it was.
func rounded(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

type chargeContext struct{}

// chargeTokens takes the tokens that a request has used out of its caller's
// limit, if there is one.
func chargeTokens(ctx context.Context, tokens int) {
	if charge, ok := ctx.Value(chargeContext{}).(func(int)); ok && tokens > 0 {
		charge(tokens)
	}
}
