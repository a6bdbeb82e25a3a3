package gateway

import (
	"time"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// AliasRequest is the body of PUT /v1/aliases/{name}.
type AliasRequest struct {
	Target string `json:"target" binding:"required" example:"recipe-0123456789abcdef"` // a source or a recipe
	// IfTarget is where the alias has to stand for the move to be made; "" if it
	// must not be there yet.
	IfTarget *string `json:"if_target,omitempty" extensions:"x-nullable" example:"base"`
}

// RollbackRequest is the body of POST /v1/aliases/{name}/rollback. Without a body,
// or with an empty one, the alias goes where it was before.
type RollbackRequest struct {
	To    string `json:"to,omitempty" example:"base"`                                                              // an earlier target
	Steps *int   `json:"steps,omitempty" extensions:"x-nullable" minimum:"1" maximum:"32" default:"1" example:"1"` // or so many moves back
	// IfTarget is where the alias has to stand for the move to be made. Send it if
	// others may roll back as well: two rollbacks in a row undo each other.
	IfTarget *string `json:"if_target,omitempty" extensions:"x-nullable" example:"recipe-0123456789abcdef"`
}

// rollback checks the request, and gives where it goes.
func (r RollbackRequest) rollback(l Limits) (catalog.Rollback, error) {
	switch {
	case len(r.To) > l.NameBytes:
		return catalog.Rollback{}, fault.Bad("to", "a target has 1 to %d bytes", l.NameBytes)
	case r.Steps == nil:
		return catalog.Rollback{Target: r.To}, nil
	case r.To != "":
		return catalog.Rollback{}, fault.Bad("steps", "send either to or steps")
	case *r.Steps < 1 || *r.Steps > store.MaxAliasHistory:
		return catalog.Rollback{}, fault.Bad("steps", "steps is %d: an alias can go back 1 to %d", *r.Steps, store.MaxAliasHistory)
	}
	return catalog.Rollback{Steps: *r.Steps}, nil
}

// Alias is a name that can be moved from model to model.
type Alias struct {
	Name    string        `json:"name"`
	Object  string        `json:"object" enums:"alias"`
	Target  string        `json:"target"`
	Updated int64         `json:"updated"`
	History []AliasChange `json:"history"` // earlier targets, latest last
}

// AliasChange is one move of an alias.
type AliasChange struct {
	Target string    `json:"target"`
	At     time.Time `json:"at"`
}

// AliasList is the reply to GET /v1/aliases.
type AliasList struct {
	Object string  `json:"object" enums:"list"`
	Data   []Alias `json:"data"`
}

func newAlias(a store.Alias) Alias {
	out := Alias{Name: a.Name, Object: "alias", Target: a.Target, Updated: a.UpdatedAt.Unix(), History: []AliasChange{}}
	for _, h := range a.History {
		out.History = append(out.History, AliasChange{Target: h.Target, At: h.At})
	}
	return out
}
