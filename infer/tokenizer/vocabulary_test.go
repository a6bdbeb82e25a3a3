package tokenizer

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func vocabulary(t testing.TB, file object) *Vocabulary {
	t.Helper()
	v, err := ParseVocabulary(marshal(t, file))
	require.NoError(t, err)
	return v
}

// requireSameIDs checks that the library numbers the tokens as the vocabulary does.
func requireSameIDs(t testing.TB, v *Vocabulary) {
	t.Helper()
	data, err := v.JSON()
	require.NoError(t, err)
	tok, err := FromBytes(data)
	require.NoError(t, err)
	require.Equal(t, v.Len(), tok.VocabSize())
	for _, a := range v.Added() {
		require.Equal(t, []int32{a.ID}, tok.Encode(a.Content, true), "%q", a.Content)
	}
	again, err := ParseVocabulary(data)
	require.NoError(t, err)
	require.Equal(t, v.Tokens(), again.Tokens())
	require.Equal(t, v.Added(), again.Added())
}

func added(id int, content string, special bool) object {
	return object{"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": !special, "special": special}
}

// with adds tokens to the added ones of a file.
func with(file object, tokens ...object) object {
	file["added_tokens"] = append(file["added_tokens"].([]object), tokens...)
	return file
}

func TestVocabularyIsWhatTheTokenizerKnows(t *testing.T) {
	file := with(fallback(t, "a", "b"), added(firstByte+258, "<|end|>", true))
	v := vocabulary(t, file)
	require.Equal(t, firstByte+259, v.Len())
	require.Equal(t, firstByte+259, v.Rows())
	id, ok := v.ID("<|end|>")
	require.True(t, ok)
	require.EqualValues(t, firstByte+258, id)
	_, ok = v.ID("c")
	require.False(t, ok)
	require.Equal(t, []string{"<unk>", "<s>", "</s>"}, v.Tokens()[:3])
	requireSameIDs(t, v)
}

func TestVocabularyWrittenAgainEncodesAlike(t *testing.T) {
	data, err := os.ReadFile("../../zoo/models/base/tokenizer.json")
	require.NoError(t, err)
	v, err := ParseVocabulary(data)
	require.NoError(t, err)
	again, err := v.JSON()
	require.NoError(t, err)
	before, err := FromBytes(data)
	require.NoError(t, err)
	after, err := FromBytes(again)
	require.NoError(t, err)
	const text = "太郎さんはりんごを27個持っています。 How many apples?"
	require.Equal(t, before.Encode(text, true), after.Encode(text, true))
}

func TestVocabularyWithin(t *testing.T) {
	for name, merges := range map[string][]any{
		"merges as text":  {"a b", "ab c"},
		"merges as pairs": {[]string{"a", "b"}, []string{"ab", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := with(fallback(t, "a", "b", "c", "ab", "abc"), added(firstByte+261, "<|image|>", true))
			file["model"].(object)["merges"] = merges
			v := vocabulary(t, file)
			same, err := v.Within(v.Rows())
			require.NoError(t, err)
			require.Same(t, v, same)

			fewer, err := v.Within(firstByte + 261) // the added one has no row
			require.NoError(t, err)
			require.Equal(t, v.Tokens()[:firstByte+261], fewer.Tokens())
			requireSameIDs(t, fewer)

			fewer, err = v.Within(firstByte + 260) // nor has "abc"
			require.NoError(t, err)
			requireSameIDs(t, fewer)
			data, err := fewer.JSON()
			require.NoError(t, err)
			tok, err := FromBytes(data)
			require.NoError(t, err)
			require.Equal(t, []int32{firstByte + 259, firstByte + 258}, tok.Encode("abc", false), "ab and c")
			require.Equal(t, firstByte+262, v.Len(), "the vocabulary itself stays")
		})
	}
	t.Run("a list of pieces", func(t *testing.T) {
		v := vocabulary(t, object{"added_tokens": []object{}, "model": object{"type": "Unigram", "unk_id": 0, "vocab": []any{[]any{"<unk>", 0}, []any{"a", -1}, []any{"b", -2}}}})
		fewer, err := v.Within(2)
		require.NoError(t, err)
		require.Equal(t, []string{"<unk>", "a"}, fewer.Tokens())
		requireSameIDs(t, fewer)
	})
}

func TestVocabularyUnion(t *testing.T) {
	base := vocabulary(t, with(fallback(t, "a", "b"), added(firstByte+258, "<|end|>", true)))
	x := vocabulary(t, with(fallback(t, "b", "a", "d", "c"), added(firstByte+260, "<|x|>", true), added(firstByte+261, "<|end|>", false)))
	y := vocabulary(t, with(fallback(t, "a", "e", "b"), added(firstByte+259, "<|x|>", false), added(firstByte+256, "a", false), added(firstByte+260, "<|y|>", false)))

	union := base.Union(x, y)
	requireSameIDs(t, union)
	all := union.Tokens()
	require.Equal(t, base.Tokens(), all[:base.Len()], "the base's keep their ids")
	require.Equal(t, []string{"d", "c", "e", "<|x|>", "<|y|>"}, all[base.Len():])
	special := map[string]bool{}
	for _, a := range union.Added() {
		special[a.Content] = a.Special
	}
	assert.True(t, special["<|end|>"], "as the base describes it")
	assert.True(t, special["<|x|>"], "as x, which comes first, describes it")
	assert.Contains(t, special, "a", "added in one, it is added in the union")
	require.Equal(t, base.Tokens(), base.Union().Tokens())
}

func TestVocabularyWithTokens(t *testing.T) {
	v := vocabulary(t, fallback(t, "a")).With("a", "<|new|>", "<|new|>", "<|newer|>")
	requireSameIDs(t, v)
	id, ok := v.ID("<|newer|>")
	require.True(t, ok)
	require.EqualValues(t, firstByte+258, id)
	require.Equal(t, int(id)+1, v.Rows())
}

func TestVocabularyRefusesWhatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":           `{`,
		"null":              `null`,
		"no model":          `{}`,
		"no vocabulary":     `{"model": {"type": "BPE"}}`,
		"a null vocabulary": `{"model": {"vocab": null}}`,
		"an empty entry":    `{"model": {"vocab": [[]]}}`,
		"a negative id":     `{"model": {"vocab": {"a": -1}}}`,
		"a NUL":             `{"model": {"vocab": {"\u0000": 1}}}`,
		"wrong added ones":  `{"model": {"vocab": {"a": 0}}, "added_tokens": {"a": 1}}`,
	} {
		_, err := ParseVocabulary([]byte(text))
		require.Error(t, err, name)
		require.Equal(t, fault.Damaged, fault.CodeOf(err), name)
	}
	for name, merges := range map[string]any{"no list": 1, "one piece": []any{"a"}, "three": []any{[]string{"a", "b", "c"}}, "no text": []any{1}} {
		v := vocabulary(t, object{"model": object{"vocab": object{"a": 0, "b": 1}, "merges": merges}})
		_, err := v.Within(1)
		require.Equal(t, fault.Damaged, fault.CodeOf(err), name)
	}
}

// What is made for a while is given back to the native library, under the eyes
// of one that is in use.
func TestTokenizersAreFreedWhenNobodyHasThem(t *testing.T) {
	kept := from(t, fallback(t, "a"))
	for range 20 {
		require.Equal(t, []int32{firstByte + 256}, from(t, fallback(t, "a")).Encode("a", true))
		runtime.GC()
	}
	require.Equal(t, []int32{firstByte + 256}, kept.Encode("a", true))
}
