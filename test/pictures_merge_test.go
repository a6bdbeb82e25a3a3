package test

import (
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A model that reads text alone is merged with one that sees, and sees; its export is
// served as the recipe was, picture and all.
func TestAMergeSees(t *testing.T) {
	models := seeingModels(t)
	s := start(t, options{models: models, args: []string{"--exports", models}})
	keep := func(recipe object) string {
		return s.call("POST", "/v1/recipes", object{"recipe": recipe}).text("id")
	}
	picture := painted(t, 30, 20, color.RGBA{255, 0, 0, 255})

	blind := keep(object{"method": "linear", "dtype": "float32", "normalize": false, "vision": "none", "sources": []object{{"model": seeing, "weight": 1.1}}})
	s.export(blind, object{"folder": "plain"})
	require.Equal(t, 400, s.send("POST", "/v1/chat/completions", looking("plain", picture, "auto")).status, "it reads text alone")
	_, err := os.Stat(filepath.Join(models, "plain", "preprocessor_config.json"))
	require.ErrorIs(t, err, os.ErrNotExist)

	stored := s.call("POST", "/v1/recipes", object{"recipe": object{
		"method": "task_arithmetic", "base_model": "plain", "dtype": "float32", "sources": []object{{"model": seeing, "weight": 0.5}},
	}})
	require.Equal(t, seeing, stored.object("recipe").text("vision"), "the stored recipe says through whom it sees")
	id := stored.text("id")
	s.export(id, object{"folder": "merged"})
	want, got := s.call("POST", "/v1/chat/completions", looking(id, picture, "auto")), s.call("POST", "/v1/chat/completions", looking("merged", picture, "auto"))
	require.Equal(t, want.list("choices"), got.list("choices"), "its words and their log probabilities")
	require.Equal(t, want["usage"].(map[string]any)["prompt_tokens"], got["usage"].(map[string]any)["prompt_tokens"])
	require.NotEqual(t, want.list("choices"), s.call("POST", "/v1/chat/completions", looking(seeing, picture, "auto")).list("choices"), "it is another model")
}
