package catalog_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

func TestWordsNeedNoWeights(t *testing.T) {
	w := newWorld(t)
	id := w.keep("half", blend(0.5, 0.5))
	w.alias("best", id)
	require.NoError(t, os.Remove(w.path("base", "model.safetensors")), "not even in the folder")
	require.NoError(t, os.RemoveAll(w.path("b")), "nor any but the parent")
	own, err := w.Words(t.Context(), "base")
	require.NoError(t, err)
	require.Equal(t, tinyConfig(), own.Config)
	for _, name := range []string{"base", id, "half", "best"} {
		got, err := w.Words(t.Context(), name)
		require.NoError(t, err, name)
		require.Same(t, own.Tokenizer, got.Tokenizer, "%s: a recipe's are its parent's", name)
		require.Same(t, own.Template, got.Template, name)
		require.Equal(t, own.Config, got.Config)
		want, err := w.Get(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, want, got.Entry)
		require.Equal(t, catalog.Unloaded, got.Entry.State)
	}
	other, err := w.Words(t.Context(), "other")
	require.NoError(t, err)
	require.Equal(t, 30, other.Config.VocabSize)
	_, err = w.Words(t.Context(), "no-such-model")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))

	writeFile(t, w.path("a", "tokenizer.json"), []byte("{"))
	_, err = w.Words(t.Context(), "a")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, "tokenizer.json")
}

func TestTheWordsOfAModelThatIsThereAreTheOnesItUses(t *testing.T) {
	w := newWorld(t)
	id := w.keep("half", blend(0.5, 0.5))
	lease := w.acquire(id)
	defer lease.Release()
	writeTokenizer(t, w.path("base"), 20) // after it was read
	got, err := w.Words(t.Context(), id)
	require.NoError(t, err)
	require.Same(t, lease.Model.Tokenizer, got.Tokenizer)
	require.Equal(t, lease.Model.Weights.Config(), got.Config)
}

func TestWordsAreCommonWhereAllSourcesHaveTheSame(t *testing.T) {
	w := newWorld(t)
	_, err := w.CommonWords(t.Context())
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.ErrorContains(t, err, "a and other")

	require.NoError(t, os.RemoveAll(w.path("other")))
	common, err := w.CommonWords(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", common.Entry.ID)
	own, err := w.Words(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, own, common)

	for _, name := range []string{"a", "b", "base"} {
		require.NoError(t, os.RemoveAll(w.path(name)))
	}
	_, err = w.CommonWords(t.Context())
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestManySourcesAreNotCompared(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.RemoveAll(w.path("other")))
	for i := range 62 {
		require.NoError(t, os.CopyFS(w.path("more", string(rune('A'+i/26))+string(rune('a'+i%26))), os.DirFS(w.path("a"))))
	}
	_, err := w.CommonWords(t.Context())
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.ErrorContains(t, err, "65 models")
}
