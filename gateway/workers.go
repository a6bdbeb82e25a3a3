package gateway

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/search/fleet"
)

// Workers is what the gateway needs of a fleet.Lab.
type Workers interface {
	Workers(ctx context.Context) ([]fleet.Member, error)
}

// listWorkers lists the processes that try candidates beside this one.
//
//	@Summary		List the workers
//	@Description	Processes of "mergeway worker" on the same Redis that were heard of lately. Without Redis there are none.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json
//	@Success		200	{object}	WorkerList
//	@Failure		503	{object}	ErrorReply	"Redis is out of reach"
//	@Router			/v1/workers [get]
func (g *Gateway) listWorkers(c *gin.Context) error {
	reply := WorkerList{Object: "list", Data: []Worker{}}
	if g.workers != nil {
		members, err := g.workers.Workers(c.Request.Context())
		if err != nil {
			return err
		}
		for _, m := range members {
			reply.Data = append(reply.Data, Worker{
				ID: m.ID, Object: "worker", Name: m.Name, Version: m.Version, Numerics: m.Numerics, Slots: m.Slots, Joined: m.JoinedAt.Unix(),
			})
		}
	}
	return ok(c, reply)
}

// WorkerList is the reply to GET /v1/workers.
type WorkerList struct {
	Object string   `json:"object" enums:"list"`
	Data   []Worker `json:"data"`
}

// Worker is a process that tries candidates of searches.
type Worker struct {
	ID       string `json:"id"`
	Object   string `json:"object" enums:"worker"`
	Name     string `json:"name"`     // its machine and process
	Version  string `json:"version"`  // of the program
	Numerics string `json:"numerics"` // how its device computes
	Slots    int    `json:"slots"`    // candidates that it tries at once
	Joined   int64  `json:"joined"`   // when it came, in seconds since 1970
}
