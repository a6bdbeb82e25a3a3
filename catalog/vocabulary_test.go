package catalog_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// wordy has one more source, "c", whose words stand in other rows, and which has
// two more of them and two rows to spare; its text ends with one of the two.
func wordy(w *world) {
	c := tinyConfig()
	c.VocabSize, c.EOSTokenIDs = tinyConfig().VocabSize+4, []int{25}
	writeModel(w.t, w.path("c"), c, 7)
	vocab := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	for i := 3; i < 24; i++ {
		vocab[fmt.Sprintf("w%d", i)] = 26 - i
	}
	data, err := json.Marshal(map[string]any{
		"version": "1.0", "pre_tokenizer": map[string]any{"type": "Whitespace"},
		"added_tokens": []any{
			map[string]any{"id": 24, "content": "extra", "special": false, "single_word": false, "lstrip": false, "rstrip": false, "normalized": true},
			map[string]any{"id": 25, "content": "<|end|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
		},
		"model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
	})
	require.NoError(w.t, err)
	writeFile(w.t, w.path("c", "tokenizer.json"), data)
	writeFile(w.t, w.path("c", "tokenizer_config.json"), []byte(`{"bos_token": "<s>", "eos_token": "<|end|>",
		"chat_template": "{% for m in messages %}{{ m['content'] }} extra {% endfor %}"}`))
	writeFile(w.t, w.path("c", "vocab.json"), []byte(`{}`))
	writeFile(w.t, w.path("base", "vocab.json"), []byte(`{}`))
	writeFile(w.t, w.path("base", "generation_config.json"), []byte(`{"eos_token_id": 2, "pad_token_id": 2, "do_sample": false}`))
}

// byToken is a recipe of a and c with the tokens of a source.
func byToken(source string) merge.Recipe {
	r := blend(0.5, 0.5)
	r.Sources[1].Model, r.Tokenizer = "c", &merge.Tokenizer{Source: source}
	return r
}

func TestARecipeWithATokenizerHasWordsOfItsOwn(t *testing.T) {
	w := newWorld(t, wordy)
	_, err := w.PutRecipe(t.Context(), "", func() merge.Recipe { r := byToken(""); r.Tokenizer = nil; return r }())
	require.Equal(t, fault.Unfit, fault.CodeOf(err), "rows can't be merged with rows")
	ids := map[string]string{}
	for _, source := range []string{"union", "base", "c"} {
		ids[source] = w.keep(source, byToken(source))
	}
	require.Equal(t, ids["union"], w.keep("", byToken("")), "it is the default")
	for _, c := range []struct {
		source string
		rows   int
		eos    int
		text   []int32 // of "w3 extra"
	}{
		{"union", 26, 2, []int32{3, 24}},
		{"base", 24, 2, []int32{3, 0}},
		{"c", 26, 25, []int32{23, 24}},
	} {
		t.Run(c.source, func(t *testing.T) {
			words, err := w.Words(t.Context(), ids[c.source])
			require.NoError(t, err)
			require.Equal(t, catalog.Unloaded, words.Entry.State, "no weights are needed for that")
			require.Equal(t, c.rows, words.Config.VocabSize)
			require.Equal(t, []int{c.eos}, words.Config.EOSTokenIDs)
			require.Equal(t, c.text, words.Tokenizer.Encode("w3 extra", true))
			again, err := w.Words(t.Context(), ids[c.source])
			require.NoError(t, err)
			require.Same(t, words.Tokenizer, again.Tokenizer, "they are made once")

			lease := w.acquire(ids[c.source])
			defer lease.Release()
			require.Same(t, words.Tokenizer, lease.Model.Tokenizer)
			require.Same(t, words.Template, lease.Model.Template)
			config := lease.Model.Weights.Config()
			require.Equal(t, words.Config, config)
			require.Equal(t, lease.Entry.Bytes, lease.Model.Weights.Bytes())

			name := "exported-" + c.source
			require.NoError(t, w.Export(t.Context(), ids[c.source], catalog.ExportOptions{Dir: w.path(name)}))
			exported := w.acquire(name)
			defer exported.Release()
			require.Equal(t, numbers(t, lease.Model), numbers(t, exported.Model))
			require.Equal(t, config, exported.Model.Weights.Config())
			require.Equal(t, c.text, exported.Model.Tokenizer.Encode("w3 extra", true))
			require.Equal(t, lease.Model.Template.Source(), exported.Model.Template.Source())
			_, err = os.Stat(w.path(name, "vocab.json"))
			require.Equal(t, c.source == "union", os.IsNotExist(err), "it tells nothing of a union")
			generation, err := os.ReadFile(w.path(name, checkpoint.GenerationConfigFile))
			require.NoError(t, err)
			if c.source == "c" {
				require.JSONEq(t, `{"do_sample": false}`, string(generation), "ids of other words are left out")
			} else {
				require.JSONEq(t, `{"eos_token_id": 2, "pad_token_id": 2, "do_sample": false}`, string(generation))
			}
		})
	}
}

// What tokens a source has is part of what a recipe that merges by token makes of
// it, and of no other's.
func TestTheTokensOfASourceAreInTheDigest(t *testing.T) {
	w := newWorld(t, wordy)
	plain, union := w.keep("plain", blend(1, 1)), w.keep("union", byToken("union"))
	card, err := w.Card(t.Context(), union)
	require.NoError(t, err)
	require.False(t, card.Changed)
	writeTokenizer(t, w.path("a"), 23)
	w.restart()
	w.touch(plain)
	_, err = w.Acquire(t.Context(), union)
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
	card, err = w.Card(t.Context(), union)
	require.NoError(t, err)
	require.True(t, card.Changed)
	require.NotEqual(t, union, w.keep("", byToken("union")))
}

// Where the models don't fit together they are merged as they are read, to the
// same numbers.
func TestVocabulariesAreMergedInLittleRoom(t *testing.T) {
	roomy, tight := newWorld(t, wordy), newWorld(t, wordy, func(w *world) { w.budget = 3 * tinyBytes() })
	r := byToken("union")
	lease := roomy.acquire(roomy.keep("", r))
	defer lease.Release()
	streamed := tight.acquire(tight.keep("", r))
	defer streamed.Release()
	require.Equal(t, numbers(t, lease.Model), numbers(t, streamed.Model))
	card, err := tight.Card(t.Context(), streamed.Entry.ID)
	require.NoError(t, err)
	require.True(t, card.Made.Streamed)
	require.Equal(t, []int32{3, 24}, streamed.Model.Tokenizer.Encode("w3 extra", true))
	require.Equal(t, lease.Model.Weights.Config(), streamed.Model.Weights.Config())
}

func TestFitTellsWhatIsWrongWithVocabularies(t *testing.T) {
	w := newWorld(t, wordy)
	r := byToken("union")
	r.Tokenizer.Tokens = map[string]merge.TokenRow{"new": {Source: &merge.RowSource{Model: "a"}}}
	_, err := w.Fit(t.Context(), r)
	require.Equal(t, fault.Unfit, fault.CodeOf(err))
	require.ErrorContains(t, err, `token "new" is to have the row of "new" in "a", which has no such token`)
	config, err := w.Fit(t.Context(), byToken("union"))
	require.NoError(t, err)
	require.Equal(t, 26, config.VocabSize)
	candidate, err := w.Merge(t.Context(), byToken("union"))
	require.NoError(t, err)
	defer candidate.Release()
	require.Equal(t, 26, candidate.Model.Weights.Config().VocabSize)
	require.EqualValues(t, 26, candidate.Model.Tokenizer.VocabSize())
}
