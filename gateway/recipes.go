package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// createRecipe stores a recipe; from then on it is a model.
//
//	@Summary		Store a recipe
//	@Description	The body is {"name", "recipe"}, {"name", "yaml"} with mergekit's YAML as text, or the recipe alone, as JSON or, by its Content-Type, as mergekit's YAML, whose top-level "name" then names it. "inputs" are models that other recipes make, by names that sources may use; several documents of YAML that name one another are the same, as mergekit-multi reads them. A source may also be a stored recipe or an alias: the recipe keeps what that is now. What in the YAML can't be honoured is refused with its path and line. A recipe merges sources as wholes, stacks a model of slices of them, or, with the method dataflow, lays a path through their blocks. The recipe's sources must be there and fit together; nothing is merged before somebody asks for the model. The same recipe gets the same id.
//	@Tags			recipes
//	@Security		BearerAuth
//	@Accept			json,application/yaml
//	@Produce		json
//	@Param			request	body		RecipeRequest	true	"the recipe"
//	@Success		201		{object}	Recipe
//	@Failure		400		{object}	ErrorReply	"the recipe is malformed; param names the field"
//	@Failure		404		{object}	ErrorReply	"a source does not exist"
//	@Failure		422		{object}	ErrorReply	"the sources cannot be merged together; every reason is listed"
//	@Router			/v1/recipes [post]
func (g *Gateway) createRecipe(c *gin.Context) error {
	name, recipe, err := g.readRecipe(c)
	if err != nil {
		return err
	}
	if err := g.checkLayers(recipe); err != nil {
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
//	@Summary		Read a recipe
//	@Description	With format=yaml, or Accept: application/yaml, it is written as mergekit reads it. What mergekit has no words for stands in the map "mergeway".
//	@Tags			recipes
//	@Security		BearerAuth
//	@Produce		json,application/yaml
//	@Param			id		path		string	true	"id, digest or unique name; slashes are fine"
//	@Param			format	query		string	false	"json or yaml; goes before the Accept header"	Enums(json, yaml)
//	@Success		200		{object}	Recipe
//	@Failure		400		{object}	ErrorReply	"another format"
//	@Failure		404		{object}	ErrorReply
//	@Failure		409		{object}	ErrorReply	"several recipes have that name"
//	@Router			/v1/recipes/{id} [get]
func (g *Gateway) getRecipe(c *gin.Context) error {
	format, err := formatOf(c, "json", "application/json", "yaml", yamlType)
	if err != nil {
		return err
	}
	stored, err := g.catalog.GetRecipe(c.Request.Context(), wildcard(c, "id"))
	if err != nil {
		return err
	}
	if format == "yaml" {
		text, err := g.recipeYAML(c.Request.Context(), stored)
		if err != nil {
			return err
		}
		c.Data(http.StatusOK, yamlType, text)
		return nil
	}
	return ok(c, newRecipe(stored))
}

// recipeYAML writes a stored recipe as mergekit reads it.
func (g *Gateway) recipeYAML(ctx context.Context, stored store.Recipe) ([]byte, error) {
	r, err := catalog.ReadRecipe(stored)
	if err != nil {
		return nil, err
	}
	return g.writeYAML(ctx, stored.Name, r)
}

// formatOf says in which of some formats the caller wants the reply: by query,
// by the Accept header, or else in the first. They are given by name and type.
func formatOf(c *gin.Context, formats ...string) (string, error) {
	var names, types []string
	for i := 0; i < len(formats); i += 2 {
		names, types = append(names, formats[i]), append(types, formats[i+1])
	}
	if wanted, given := c.GetQuery("format"); given {
		if !slices.Contains(names, wanted) {
			return "", fault.Bad("format", "format is %q: it must be %s", clip(wanted, 40), strings.Join(names, " or "))
		}
		return wanted, nil
	}
	c.Header("Vary", "Accept")
	return names[max(0, slices.Index(types, c.NegotiateFormat(types...)))], nil
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
	if err == nil || !errors.As(err, &f) ||
		!slices.Contains([]fault.Code{fault.Invalid, fault.TooLarge, fault.Unfit, fault.NotFound}, f.Code) {
		return err
	}
	moved := *f
	moved.Param = field
	if f.Param != "" {
		moved.Param += "." + f.Param
	}
	return &moved
}
