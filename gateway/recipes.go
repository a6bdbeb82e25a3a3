package gateway

import (
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// createRecipe stores a recipe; from then on it is a model.
//
//	@Summary		Store a recipe
//	@Description	The body is {"name", "recipe"} or the recipe alone. The recipe's sources must be there and fit together; nothing is merged before somebody asks for the model. The same recipe gets the same id.
//	@Tags			recipes
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			request	body		RecipeRequest	true	"the recipe"
//	@Success		201		{object}	Recipe
//	@Failure		400		{object}	ErrorReply	"the recipe is malformed; param names the field"
//	@Failure		404		{object}	ErrorReply	"a source does not exist"
//	@Failure		422		{object}	ErrorReply	"the sources cannot be merged together; every reason is listed"
//	@Router			/v1/recipes [post]
func (g *Gateway) createRecipe(c *gin.Context) error {
	data, err := g.readBody(c)
	if err != nil {
		return err
	}
	name, recipe, err := readRecipe(data, g.limits)
	if err != nil {
		return err
	}
	stored, err := g.catalog.PutRecipe(c.Request.Context(), name, recipe)
	if err != nil {
		return err
	}
	return created(c, "/v1/recipes/"+stored.ID, newRecipe(stored))
}

// listRecipes lists the stored recipes.
//
//	@Summary	List the recipes
//	@Tags		recipes
//	@Security	BearerAuth
//	@Produce	json
//	@Success	200	{object}	RecipeList
//	@Router		/v1/recipes [get]
func (g *Gateway) listRecipes(c *gin.Context) error {
	stored, err := g.catalog.ListRecipes(c.Request.Context())
	if err != nil {
		return err
	}
	reply := RecipeList{Object: "list", Data: make([]Recipe, len(stored))}
	for i, r := range stored {
		reply.Data[i] = newRecipe(r)
	}
	return ok(c, reply)
}

// getRecipe gives one recipe.
//
//	@Summary	Read a recipe
//	@Tags		recipes
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"id, digest or unique name; slashes are fine"
//	@Success	200	{object}	Recipe
//	@Failure	404	{object}	ErrorReply
//	@Failure	409	{object}	ErrorReply	"several recipes have that name"
//	@Router		/v1/recipes/{id} [get]
func (g *Gateway) getRecipe(c *gin.Context) error {
	stored, err := g.catalog.GetRecipe(c.Request.Context(), wildcard(c, "id"))
	if err != nil {
		return err
	}
	return ok(c, newRecipe(stored))
}

// deleteRecipe forgets a recipe and the model it made.
//
//	@Summary	Delete a recipe
//	@Tags		recipes
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"id, digest or unique name; slashes are fine"
//	@Success	200	{object}	Deleted
//	@Failure	404	{object}	ErrorReply
//	@Failure	409	{object}	ErrorReply	"an alias points at it, or several recipes have that name"
//	@Router		/v1/recipes/{id} [delete]
func (g *Gateway) deleteRecipe(c *gin.Context) error {
	ctx := c.Request.Context()
	stored, err := g.catalog.GetRecipe(ctx, wildcard(c, "id"))
	if err != nil {
		return err
	}
	if err := g.catalog.DeleteRecipe(ctx, stored.ID); err != nil {
		return err
	}
	return ok(c, Deleted{ID: stored.ID, Object: "recipe", Deleted: true})
}

// inside moves an error about a nested value to where the value stood.
func inside(field string, err error) error {
	var f *fault.Error
	if err == nil || !errors.As(err, &f) || f.Code != fault.Invalid {
		return err
	}
	moved := *f
	moved.Param = field
	if f.Param != "" {
		moved.Param += "." + f.Param
	}
	return &moved
}
