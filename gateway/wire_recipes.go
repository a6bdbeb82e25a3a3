package gateway

import (
	"encoding/json"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// RecipeRequest is the body of POST /v1/recipes: one of recipe and yaml. The
// recipe alone will do too.
type RecipeRequest struct {
	Name   string       `json:"name,omitempty" example:"two-of-each"` // for people; the id is made from the content
	Recipe merge.Recipe `json:"recipe"`
	YAML   string       `json:"yaml,omitempty"` // instead of recipe: the text of a file in mergekit's YAML
}

// Recipe is a stored recipe.
type Recipe struct {
	ID      string          `json:"id" example:"recipe-0123456789abcdef"` // the model to ask for
	Object  string          `json:"object" enums:"recipe"`
	Name    string          `json:"name"`
	Digest  string          `json:"digest"` // over the recipe and the contents of its sources
	Created int64           `json:"created"`
	Recipe  json.RawMessage `json:"recipe" swaggertype:"object"` // in its one canonical form
}

// RecipeList is the reply to GET /v1/recipes.
type RecipeList struct {
	Object string   `json:"object" enums:"list"`
	Data   []Recipe `json:"data"`
}

func newRecipe(r store.Recipe) Recipe {
	return Recipe{ID: r.ID, Object: "recipe", Name: r.Name, Digest: r.Digest, Created: r.CreatedAt.Unix(), Recipe: r.Body}
}

// Deleted is the reply to every DELETE.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}
