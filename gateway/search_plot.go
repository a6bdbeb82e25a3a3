package gateway

import (
	"bytes"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/search/picture"
)

// picturePolicy lets a picture be one, and nothing more, where it is opened by
// itself: names in it come from people.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// plotSearch draws a search as far as it is.
//
//	@Summary		Draw a search
//	@Description	An SVG: its trials by fitness with the 95 % interval of each and the best so far; where in their ranges the parameters of the trials lie; or the path of a data-flow recipe.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		image/svg+xml
//	@Param			id	path		string		true	"the search's id"
//	@Param			of	query		string		false	"what of it; fitness if absent"	Enums(fitness, parameters, path)
//	@Success		200	{string}	string		"the picture"
//	@Failure		400	{object}	ErrorReply	"there is nothing of that kind to draw"
//	@Failure		404	{object}	ErrorReply
//	@Router			/v1/searches/{id}/plot.svg [get]
func (g *Gateway) plotSearch(c *gin.Context) error {
	ctx, id := c.Request.Context(), c.Param("id")
	s, err := g.searches.Get(ctx, id)
	if err != nil {
		return err
	}
	trials, err := g.searches.Trials(ctx, id)
	if err != nil {
		return err
	}
	var drawn bytes.Buffer
	of := c.DefaultQuery("of", string(picture.Fitness))
	if err := picture.Draw(&drawn, picture.Subject(clip(of, 40)), s, trials); err != nil {
		return err
	}
	c.Header("Content-Security-Policy", picturePolicy)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "image/svg+xml", drawn.Bytes())
	return nil
}
