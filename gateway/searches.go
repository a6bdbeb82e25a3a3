package gateway

import (
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
)

// defaultPage is the length of a page whose request doesn't say.
const defaultPage = 100

// createSearch starts a search.
//
//	@Summary		Start a search
//	@Description	Only task (or objectives), base and sources are needed; every other field has a default. As YAML the body is what mergekit-evolve reads, and may have a map "mergeway" of fields that it has no words for. The winner is stored as a recipe, and served under the alias if one is given.
//	@Tags			searches
//	@Security		BearerAuth
//	@Accept			json,application/yaml
//	@Produce		json
//	@Param			request	body		search.Spec	true	"what to search"
//	@Success		201		{object}	Search
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it"
//	@Failure		404		{object}	ErrorReply	"the task or a model does not exist"
//	@Failure		409		{object}	ErrorReply	"the alias is the name of something else"
//	@Failure		422		{object}	ErrorReply	"the sources cannot be merged together; every reason is listed"
//	@Failure		429		{object}	ErrorReply	"too many searches wait already, or the key has had as many searches or trials as it may; Retry-After says when to try again"
//	@Router			/v1/searches [post]
func (g *Gateway) createSearch(c *gin.Context) error {
	spec, err := g.readSpec(c)
	if err != nil {
		return err
	}
	s, err := g.launch(c, spec)
	if err != nil {
		return err
	}
	return created(c, "/v1/searches/"+s.ID, newSearch(s))
}

// readSpec reads a search in either of its forms.
func (g *Gateway) readSpec(c *gin.Context) (search.Spec, error) {
	if isYAML(c.GetHeader("Content-Type")) {
		text, err := g.readBytes(c)
		if err != nil {
			return search.Spec{}, err
		}
		return search.ParseEvolve(text)
	}
	data, err := g.readBody(c)
	if err != nil {
		return search.Spec{}, err
	}
	var object map[string]any // places errors of syntax, which ParseSpec leaves to us
	if err := decodeJSON(data, &object, false); err != nil {
		return search.Spec{}, err
	}
	return search.ParseSpec(data)
}

// listSearches lists all searches.
//
//	@Summary	List the searches
//	@Tags		searches
//	@Security	BearerAuth
//	@Produce	json
//	@Success	200	{object}	SearchList
//	@Router		/v1/searches [get]
func (g *Gateway) listSearches(c *gin.Context) error {
	all, err := g.searches.List(c.Request.Context())
	if err != nil {
		return err
	}
	reply := SearchList{Object: "list", Data: make([]Search, len(all))}
	for i, s := range all {
		reply.Data[i] = newSearch(s)
	}
	return ok(c, reply)
}

// getSearch describes one search.
//
//	@Summary	Describe a search
//	@Tags		searches
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"the search's id"
//	@Success	200	{object}	Search
//	@Failure	404	{object}	ErrorReply
//	@Router		/v1/searches/{id} [get]
func (g *Gateway) getSearch(c *gin.Context) error {
	s, err := g.searches.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return ok(c, newSearch(s))
}

// maxQueryInt bounds the numbers of a query that have no bound of their own.
const maxQueryInt = 1 << 31

// queryInt reads a number from the query.
func queryInt(c *gin.Context, name string, absent, low, high int) (int, error) {
	text, given := c.GetQuery(name)
	if !given {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fault.Bad(name, "%s is %q: it must be a number from %d to %d", name, clip(text, 40), low, high)
	}
	return n, nil
}
