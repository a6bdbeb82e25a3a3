package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// actOnAlias moves an alias back to where it was.
//
//	@Summary		Roll an alias back
//	@Description	The path is the alias and what is to be done: /v1/aliases/NAME/rollback. It goes to its previous target, to an earlier one by "to", or some moves back by "steps". A rollback is a move like any other and is in the history: a second one comes back, unless "if_target" or If-Match prevents it.
//	@Tags			aliases
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			name		path		string			true	"the alias, then /rollback; slashes are fine"
//	@Param			request		body		RollbackRequest	false	"where to"
//	@Param			If-Match	header		string			false	"only if the alias has this ETag"
//	@Success		200			{object}	Alias
//	@Header			200			{string}	ETag		"names this state of the alias, for If-Match"
//	@Failure		400			{object}	ErrorReply	"no such action"
//	@Failure		404			{object}	ErrorReply	"no such alias"
//	@Failure		409			{object}	ErrorReply	"it was never there, that model is gone, or the alias does not stand for if_target"
//	@Failure		412			{object}	ErrorReply	"the alias has not the ETag of If-Match"
//	@Failure		503			{object}	ErrorReply	"the store is out of reach; try again after Retry-After"
//	@Router			/v1/aliases/{name} [post]
func (g *Gateway) actOnAlias(c *gin.Context) error {
	path := wildcard(c, "name")
	name, isRollback := strings.CutSuffix(path, "/rollback")
	if !isRollback {
		return fault.Bad("name", "POST /v1/aliases/%s names no action: add /rollback", clip(path, 80))
	}
	if err := g.checkAliasName(name); err != nil {
		return err
	}
	var body RollbackRequest
	if c.Request.ContentLength != 0 {
		if err := g.decodeStrict(c, &body); err != nil {
			return err
		}
	}
	to, err := body.rollback(g.limits)
	if err != nil {
		return err
	}
	only, err := g.aliasConditions(c, body.IfTarget)
	if err != nil {
		return err
	}
	stored, err := g.catalog.RollbackAlias(c.Request.Context(), name, to, only...)
	if err != nil {
		return err
	}
	return okAlias(c, stored)
}

// aliasConditions are the conditions that a request makes for moving an alias.
func (g *Gateway) aliasConditions(c *gin.Context, ifTarget *string) ([]catalog.Condition, error) {
	var only []catalog.Condition
	if ifTarget != nil {
		if len(*ifTarget) > g.limits.NameBytes {
			return nil, fault.Bad("if_target", "a target has at most %d bytes", g.limits.NameBytes)
		}
		only = append(only, func(now store.Alias) error {
			if now.Target == *ifTarget {
				return nil
			}
			return &fault.Error{Code: fault.Conflict, Param: "if_target", Message: "the alias was not moved: " + standsFor(now)}
		})
	}
	if header := c.GetHeader("If-Match"); header != "" {
		tags, err := parseTags(header)
		if err != nil {
			return nil, err
		}
		only = append(only, func(now store.Alias) error {
			if now.Target != "" && (header == "*" || slices.Contains(tags, aliasTag(now))) {
				return nil
			}
			return &fault.Error{Code: hasChanged, Param: "If-Match", Message: "the alias was not moved: " + standsFor(now)}
		})
	}
	return only, nil
}

// standsFor says how an alias is, to who thought otherwise.
func standsFor(a store.Alias) string {
	if a.Target == "" {
		return fmt.Sprintf("there is no %q", a.Name)
	}
	return fmt.Sprintf("%q stands for %q now, with the ETag %s", a.Name, a.Target, aliasTag(a))
}

// aliasTag names a state of an alias: no two have the same, not even of one target.
func aliasTag(a store.Alias) string {
	data, _ := json.Marshal(a) // strings and times can always be written
	return fmt.Sprintf(`"%x"`, sha256.Sum256(data))[:17] + `"`
}

// maxTags is how many tags If-Match may list.
const maxTags = 16

// parseTags reads If-Match: a star, or tags in quotes.
func parseTags(header string) ([]string, error) {
	if header == "*" {
		return nil, nil
	}
	tags := strings.Split(header, ",")
	if len(tags) > maxTags {
		return nil, fault.Bad("If-Match", "If-Match lists %d tags: at most %d", len(tags), maxTags)
	}
	for i, tag := range tags {
		tags[i] = strings.TrimSpace(tag)
		bare := strings.TrimPrefix(tags[i], "W/")
		if len(bare) < 2 || bare[0] != '"' || bare[len(bare)-1] != '"' {
			return nil, fault.Bad("If-Match", "If-Match must be * or the ETag of an alias, in its quotes")
		}
	}
	return tags, nil
}
