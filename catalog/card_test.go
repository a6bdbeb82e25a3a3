package catalog_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

func TestTheCardOfAMerge(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.keep("half", blend(0.5, 0.5))
	w.alias("best", id)
	stored, err := w.GetRecipe(ctx, id)
	require.NoError(t, err)

	card, err := w.Card(ctx, "best")
	require.NoError(t, err)
	assert.Equal(t, id, card.Entry.ID, "the model itself, not the alias")
	assert.Equal(t, catalog.Unloaded, card.Entry.State)
	assert.Equal(t, stored, *card.Recipe)
	assert.Equal(t, stored.Digest, card.Digest)
	assert.Equal(t, []string{"best"}, card.Aliases)
	assert.Nil(t, card.Made)
	assert.False(t, card.Changed)
	require.Len(t, card.Parts, 3)
	for i, name := range []string{"a", "b", "base"} {
		source, err := w.Card(ctx, name)
		require.NoError(t, err)
		assert.Equal(t, catalog.Part{Name: name, Merged: name != "base", Base: name == "base", Digest: source.Digest}, card.Parts[i])
		assert.Contains(t, source.Digest, "blake3:")
		assert.Nil(t, source.Recipe)
	}

	w.acquire(id).Release()
	card, err = w.Card(ctx, id)
	require.NoError(t, err)
	assert.Equal(t, catalog.Ready, card.Entry.State)
	require.NotNil(t, card.Made)
	assert.Positive(t, card.Made.Merge)
	assert.GreaterOrEqual(t, card.Made.Total, card.Made.Merge)
	assert.Equal(t, w.clock, card.Made.At)
	_, err = w.Unload(ctx, id)
	require.NoError(t, err)
	card, err = w.Card(ctx, id)
	require.NoError(t, err)
	assert.NotNil(t, card.Made, "it was made, whether it is there or not")
	source, err := w.Card(ctx, "a")
	require.NoError(t, err)
	assert.Zero(t, source.Made.Merge)

	_, err = w.Card(ctx, "nobody")
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestACardTellsWhatHasChanged(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.keep("", blend(0.5, 0.5))
	writeModel(t, w.path("a"), tinyConfig(), 77)
	w.restart() // digests are computed anew
	card, err := w.Card(ctx, id)
	require.NoError(t, err)
	assert.True(t, card.Changed)
	assert.NotEmpty(t, card.Parts[0].Digest)

	require.NoError(t, os.RemoveAll(w.path("b")))
	card, err = w.Card(ctx, id)
	require.NoError(t, err, "what is gone is no failure")
	assert.True(t, card.Changed)
	assert.Empty(t, card.Parts[1].Digest)
}
