package gateway

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
)

// lastEventID is what a browser's EventSource sends when it comes back.
const lastEventID = "Last-Event-ID"

// watchSearch streams the events of a search, from the first or from where a
// client left off, until the search ends.
//
//	@Summary		Follow a search
//	@Description	Server-sent events. Each has its number as id, its type as event (state, trial, generation, validation, test, published) and a search.Event as data. The stream ends when the search does. To resume, send the last id as Last-Event-ID or in "after"; 204 says that nothing will follow.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		text/event-stream
//	@Param			id				path		string		true	"the search's id"
//	@Param			after			query		int			false	"only events with a larger number"
//	@Param			Last-Event-ID	header		int			false	"the same, from a browser"
//	@Success		200				{object}	search.Event	"the events"
//	@Success		204				"the search has ended, and the client knows all of it"
//	@Failure		404				{object}	ErrorReply
//	@Failure		429				{object}	ErrorReply	"too many clients follow searches"
//	@Router			/v1/searches/{id}/events [get]
func (g *Gateway) watchSearch(c *gin.Context) error {
	after, err := resumeAfter(c)
	if err != nil {
		return err
	}
	id := c.Param("id")
	s, err := g.searches.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if s.State.Final() && after >= s.LastEvent {
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	}

	return follow(g, c, func(ctx context.Context) (<-chan search.Event, error) { return g.searches.Events(ctx, id, after) },
		func(e search.Event) (int, string) { return e.Number, string(e.Type) })
}

// resumeAfter is the number of the last event that a client has, by the query or
// by what its browser says.
func resumeAfter(c *gin.Context) (int, error) {
	after, err := queryInt(c, "after", 0, 0, maxQueryInt)
	if err != nil {
		return 0, err
	}
	if text := c.GetHeader(lastEventID); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxQueryInt {
			return 0, fault.Bad(lastEventID, "the header %s is %q: it must be the id of an event", lastEventID, clip(text, 40))
		}
		after = max(after, n)
	}
	return after, nil
}

// follow streams what comes to its end, each event under its number and type.
func follow[T any](g *Gateway, c *gin.Context, watch func(ctx context.Context) (<-chan T, error), name func(e T) (id int, kind string)) error {
	// A watcher would keep a server from shutting down as long as the work runs.
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	defer context.AfterFunc(g.drained, cancel)()
	events, err := watch(ctx)
	if err != nil {
		return err
	}
	stream := g.newEventStream(c)
	defer stream.close()
	stream.start()
	stream.c.Writer.Flush() // a watcher wants to know that it is connected
	for {
		e, more, err := next(ctx, stream, events)
		if g.drained.Err() != nil || err == nil && !more {
			return nil
		}
		if err != nil {
			return err
		}
		id, kind := name(e)
		if err := stream.event(id, kind, e); err != nil {
			return err
		}
	}
}
