package gateway

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// Health is the reply to GET /healthz.
type Health struct {
	Status    string  `json:"status" enums:"ok,draining"`
	Version   string  `json:"version"`               // of the program
	Uptime    float64 `json:"uptime_seconds"`        // since the process began to serve
	Abandoned int64   `json:"generations_abandoned"` // replies whose client left, or that failed, before their end
}

// getHealth says that the process lives.
//
//	@Summary	Is the process alive?
//	@Tags		server
//	@Produce	json
//	@Success	200	{object}	Health
//	@Router		/healthz [get]
func (g *Gateway) getHealth(c *gin.Context) error {
	h := Health{Status: "ok", Version: g.version, Uptime: time.Since(g.started).Seconds(), Abandoned: g.abandoned.Load()}
	if g.draining() {
		h.Status = "draining"
	}
	return ok(c, h)
}

// Readiness is the reply to GET /readyz of a server that is ready.
type Readiness struct {
	Status string `json:"status" enums:"ready"`
}

// getReady says whether requests should be sent here.
//
//	@Summary	Is the server ready for requests?
//	@Tags		server
//	@Produce	json
//	@Success	200	{object}	Readiness
//	@Failure	503	{object}	ErrorReply	"shutting down, or the store is out of reach"
//	@Router		/readyz [get]
func (g *Gateway) getReady(c *gin.Context) error {
	if g.draining() {
		return errDraining()
	}
	if g.ready != nil {
		if err := g.ready(c.Request.Context()); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the server is not ready")
		}
	}
	return ok(c, Readiness{Status: "ready"})
}
