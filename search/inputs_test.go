package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
)

// A search keeps what its models' names stood for when it began: the recipes that it
// tries need nothing that could move or be deleted.
func TestModelsThatRecipesMakeAreWrittenOut(t *testing.T) {
	w := newWorld(t)
	made := merge.NewRecipe(merge.Linear)
	made.Sources = []merge.Source{{Model: "ja", Weight: merge.Numbers(1)}}
	w.lab.made = map[string]merge.Recipe{"made": made}
	id := w.launch(t, small(func(s *Spec) { s.Sources, s.Trials = []string{"made", "alias-of-ja"}, 8 }))
	s := w.done(t, id)
	require.Equal(t, []string{"made", "ja"}, s.Spec.Sources)
	for _, trial := range w.tried(t, id) {
		require.Equal(t, map[string]merge.Recipe{"made": made}, trial.Recipe.Inputs)
	}
	require.Contains(t, s.Winner.Recipe.Inputs, "made")

	id = w.launch(t, small(func(s *Spec) { s.Trials = 4 }))
	w.done(t, id)
	require.Nil(t, w.tried(t, id)[0].Recipe.Inputs)
}
