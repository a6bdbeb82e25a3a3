package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

func TestSourcesAreFoundOneAndTwoLevelsDeep(t *testing.T) {
	w := newWorld(t)
	writeModel(t, w.path("org", "deep"), tinyConfig(), 5)
	writeModel(t, w.path("org", "sub", "too-deep"), tinyConfig(), 6)
	writeModel(t, w.path(".hidden"), tinyConfig(), 7)
	writeFile(t, w.path("a-file"), []byte("no model"))
	require.Equal(t, map[string]catalog.State{
		"base": catalog.Unloaded, "a": catalog.Unloaded, "b": catalog.Unloaded, "other": catalog.Unloaded,
		"org/deep": catalog.Unloaded, // a folder that appeared after the catalog was opened
	}, w.states())
	w.touch("org/deep")
	require.Equal(t, catalog.Ready, w.states()["org/deep"])
}

func TestNoNameLeadsOutOfTheModelsFolder(t *testing.T) {
	w := newWorld(t)
	writeModel(t, w.path("..", "outside"), tinyConfig(), 5)
	for _, name := range []string{"", ".", "..", "../outside", "a/../b", "/a", "a/", "a//b", "./a", ".hidden", "a\x00", "no-such-model"} {
		_, err := w.Acquire(t.Context(), name)
		require.Equal(t, fault.NotFound, fault.CodeOf(err), "%q: %v", name, err)
		_, err = w.Get(t.Context(), name)
		require.Equal(t, fault.NotFound, fault.CodeOf(err), "%q: %v", name, err)
	}
}

func TestARecipeIsFoundByIDDigestAndName(t *testing.T) {
	w := newWorld(t)
	stored, err := w.PutRecipe(t.Context(), "half", blend(0.5, 0.5))
	require.NoError(t, err)
	for _, name := range []string{stored.ID, stored.Digest, "half"} {
		e, err := w.Get(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, catalog.Entry{ID: stored.ID, Kind: catalog.Recipe, Name: "half", Created: w.clock, State: catalog.Unloaded}, e)
		got, err := w.GetRecipe(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, stored, got)
	}
	wrong := stored.Digest[:len(stored.Digest)-1] + "x"
	for _, name := range []string{wrong, "sha256:", "recipe-", "recipe-0000000000000000"} {
		_, err = w.Get(t.Context(), name)
		require.Equal(t, fault.NotFound, fault.CodeOf(err), name)
	}
}

func TestANameOfSeveralRecipesIsAmbiguous(t *testing.T) {
	w := newWorld(t)
	first, second := w.keep("mine", blend(0.1, 0.2)), w.keep("mine", blend(0.2, 0.1))
	_, err := w.Get(t.Context(), "mine")
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.ErrorContains(t, err, first)
	require.ErrorContains(t, err, second)
	require.NoError(t, w.DeleteRecipe(t.Context(), first))
	e, err := w.Get(t.Context(), "mine")
	require.NoError(t, err)
	require.Equal(t, second, e.ID)
}

func TestAFileIsNoModelAndTakesNoName(t *testing.T) {
	w := newWorld(t)
	writeFile(t, w.path("notes.txt"), []byte("no model"))
	for _, name := range []string{"notes.txt", "notes.txt/a", "base/config.json"} {
		_, err := w.Get(t.Context(), name)
		require.Equal(t, fault.NotFound, fault.CodeOf(err), "%q: %v", name, err)
		w.alias(name, "base")
		w.touch(name)
	}
}

func TestNoFolderTakesTheIDOfARecipe(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	writeModel(t, w.path(id), tinyConfig(), 3)
	writeModel(t, w.path("recipe-book"), tinyConfig(), 3) // not of the form of an id
	e, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, catalog.Recipe, e.Kind)
	require.Len(t, w.states(), 6, "base, a, b, other, recipe-book and the recipe")
	w.touch(id, "recipe-book")
	require.EqualValues(t, 1, w.merger.merges.Load())
}

func TestASourceGoesBeforeARecipesNameAndAnAlias(t *testing.T) {
	w := newWorld(t)
	w.keep("newcomer", blend(0.5, 0.5))
	w.alias("production", "base")
	e, err := w.Get(t.Context(), "newcomer")
	require.NoError(t, err)
	require.Equal(t, catalog.Recipe, e.Kind)
	for _, name := range []string{"newcomer", "production"} {
		writeModel(t, w.path(name), tinyConfig(), 3)
		e, err := w.Get(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, catalog.Source, e.Kind, name)
	}
}
