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

// Readiness is the reply to GET /readyz of a server that answers requests.
type Readiness struct {
	// Status is degraded if a part is: requests go on being answered, and should
	// be sent here, but not everything is possible.
	Status PartStatus `json:"status" enums:"ready,degraded"`
	Parts  []Part     `json:"parts"` // of the server, each with its own status
}

// Part is one part of the server, as /readyz shows it.
type Part struct {
	Name   string     `json:"name" example:"store"`          // which part it is
	Status PartStatus `json:"status" enums:"ready,degraded"` // how it is
	Reason string     `json:"reason,omitempty"`              // why it is not ready, and what is not possible; for everybody to read
	Since  *time.Time `json:"since,omitempty"`               // since when

	Err error `json:"-"` // the cause, for the log
}

// PartStatus says how a part of the server is.
type PartStatus string

// The ways a part can be.
const (
	PartReady    PartStatus = "ready"
	PartDegraded PartStatus = "degraded" // what it had it has
	PartFailed   PartStatus = "failed"   // no request can be answered without it
)

// getReady says whether requests should be sent here. A server that has lost its
// store answers from what it knows: were it not ready, a balancer would take all
// replicas out of service at once when their Redis goes.
//
//	@Summary		Is the server ready for requests?
//	@Description	200 also while a part is degraded: a replica that lost Redis goes on answering from what it knows, and refuses changes. "parts" says which part, why and since when.
//	@Tags			server
//	@Produce		json
//	@Success		200	{object}	Readiness
//	@Failure		503	{object}	ErrorReply	"shutting down, or a part that nothing goes without has failed"
//	@Router			/readyz [get]
func (g *Gateway) getReady(c *gin.Context) error {
	if g.draining() {
		return errDraining()
	}
	reply := Readiness{Status: PartReady, Parts: []Part{}}
	if g.parts != nil {
		reply.Parts = g.parts(c.Request.Context())
	}
	for _, p := range reply.Parts {
		switch p.Status {
		case PartFailed:
			return fault.Wrap(p.Err, fault.Unavailable, "the server is not ready: its %s has failed", p.Name)
		case PartDegraded:
			reply.Status = PartDegraded
		}
	}
	return ok(c, reply)
}
