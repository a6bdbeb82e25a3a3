package merge

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// wordsOf is a vocabulary of these tokens, by id; those in angle brackets are
// added ones.
func wordsOf(t testing.TB, tokens ...string) *tokenizer.Vocabulary {
	t.Helper()
	vocab, added := map[string]int{}, []map[string]any{}
	for id, token := range tokens {
		if token[0] == '<' {
			added = append(added, map[string]any{"id": id, "content": token, "special": true})
		} else {
			vocab[token] = id
		}
	}
	data, err := json.Marshal(map[string]any{"added_tokens": added, "model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": tokens[0]}})
	require.NoError(t, err)
	v, err := tokenizer.ParseVocabulary(data)
	require.NoError(t, err)
	return v
}

// speaking is a model of so many rows with these tokens.
func speaking(t testing.TB, rows int, tokens ...string) Described {
	c := small()
	c.VocabSize, c.BOSTokenID = rows, -1
	return Described{Config: c, Vocabulary: wordsOf(t, tokens...)}
}

// three are models of vocabularies that differ.
func three(t testing.TB) map[string]Described {
	return map[string]Described{
		"b": speaking(t, 4, "u", "v", "w", "<e>"),
		"x": speaking(t, 8, "u", "v", "w", "<e>", "<x>", "<z>"),
		"y": speaking(t, 5, "u", "w", "n", "<x>", "<y>"),
	}
}

func TestTheMergedVocabulary(t *testing.T) {
	for name, c := range map[string]struct {
		tokenizer Tokenizer
		tokens    []string
		rows      int
		lender    string
		changed   bool
	}{
		"base":               {Tokenizer{Source: "base"}, []string{"u", "v", "w", "<e>"}, 4, "b", false},
		"the base by name":   {Tokenizer{Source: "b"}, []string{"u", "v", "w", "<e>"}, 4, "b", false},
		"union":              {Tokenizer{}, []string{"u", "v", "w", "<e>", "n", "<x>", "<z>", "<y>"}, 8, "b", true},
		"another model's":    {Tokenizer{Source: "x"}, []string{"u", "v", "w", "<e>", "<x>", "<z>"}, 6, "x", false},
		"padded":             {Tokenizer{Source: "y", PadToMultipleOf: 4}, []string{"u", "w", "n", "<x>", "<y>"}, 8, "y", false},
		"with a new token":   {Tokenizer{Source: "base", Tokens: map[string]TokenRow{"<2>": {}, "<1>": {}, "u": {}}}, []string{"u", "v", "w", "<e>", "<1>", "<2>"}, 6, "b", true},
		"with one of theirs": {Tokenizer{Source: "base", Tokens: map[string]TokenRow{"<y>": {}}}, []string{"u", "v", "w", "<e>", "<y>"}, 5, "b", true},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewVocabulary(worded(&c.tokenizer), three(t))
			require.NoError(t, err)
			assert.Equal(t, c.tokens, v.Tokens.Tokens())
			assert.Equal(t, c.rows, v.Rows)
			assert.Equal(t, c.lender, v.Lender)
			assert.Equal(t, c.changed, v.Changed)
		})
	}
	v, err := NewVocabulary(worded(nil), three(t))
	require.NoError(t, err)
	require.Nil(t, v)
}

// What is beyond the rows of an embedding, or holds no token, is no token's row.
func TestTokensNeedRows(t *testing.T) {
	models := three(t)
	models["b"] = speaking(t, 3, "u", "v", "w", "<e>") // no row for <e>
	v, err := NewVocabulary(worded(&Tokenizer{Source: "base"}), models)
	require.NoError(t, err)
	require.Equal(t, []string{"u", "v", "w"}, v.Tokens.Tokens())
	require.True(t, v.Changed)

	v, err = NewVocabulary(worded(&Tokenizer{}), models)
	require.NoError(t, err)
	id, ok := v.Tokens.ID("<e>")
	require.True(t, ok, "x has it, and a row for it")
	require.EqualValues(t, -1, v.own[v.index("b")][id])
	require.EqualValues(t, 3, v.own[v.index("x")][id])
}

func TestRowsForModelsThatLackAToken(t *testing.T) {
	const b, x, y = 0, 1, 2 // the parent, then by name
	said := &Tokenizer{Tokens: map[string]TokenRow{
		"<z>": {Source: &RowSource{Kind: RowOfToken, Model: "y", Token: "n"}},
		"<0>": {Source: &RowSource{Kind: RowZero}},
		"u":   {Source: &RowSource{Kind: RowOfToken, Model: "x", TokenID: pointer(7)}, Force: true},
		"<1>": {},
	}}
	for _, c := range []struct {
		tokenizer *Tokenizer
		base      string
		token     string
		from      []rowOfOne
		force     bool
	}{
		{&Tokenizer{}, "b", "<y>", []rowOfOne{{y, 4}}, false},         // only y has it
		{&Tokenizer{}, "b", "v", []rowOfOne{{b, 1}}, false},           // b and x have it
		{&Tokenizer{}, "b", "<x>", []rowOfOne{{x, 4}, {y, 3}}, false}, // the base has it not
		{&Tokenizer{}, "", "v", []rowOfOne{{b, 1}, {x, 1}}, false},    // there is no base
		{said, "b", "<z>", []rowOfOne{{y, 2}}, false},
		{said, "b", "<0>", nil, false},
		{said, "b", "<1>", nil, false},
		{said, "b", "u", []rowOfOne{{x, 7}}, true},
	} {
		r := worded(c.tokenizer)
		if r.Base = c.base; c.base == "" {
			r.Method, r.Sources = MultiSLERP, append(r.Sources, Source{Model: "b", Weight: Numbers(1)})
		}
		v, err := NewVocabulary(r, three(t))
		require.NoError(t, err)
		require.Equal(t, []string{"b", "x", "y"}, v.models)
		id, ok := v.Tokens.ID(c.token)
		require.True(t, ok)
		var found *filled
		for i := range v.filled {
			if v.filled[i].row == int(id) {
				found = &v.filled[i]
			}
		}
		require.NotNil(t, found, c.token)
		require.Equal(t, filled{int(id), c.force, c.from}, *found, c.token)
	}
}

func TestWhereTheWordsAreAnothersSoAreTheirIDs(t *testing.T) {
	models := three(t)
	lent := models["y"]
	lent.Config.BOSTokenID, lent.Config.EOSTokenIDs = 3, []int{4}
	models["y"] = lent
	configs := map[string]checkpoint.Config{}
	for name, d := range models {
		configs[name] = d.Config
	}
	r := worded(&Tokenizer{Source: "y"})
	var err error
	r.Vocabulary, err = NewVocabulary(r, models)
	require.NoError(t, err)
	c := r.Config(configs)
	require.Equal(t, 5, c.VocabSize)
	require.Equal(t, 3, c.BOSTokenID)
	require.Equal(t, []int{4}, c.EOSTokenIDs)
}

// One report has all that is wrong with vocabularies, beside everything else.
func TestTheReportHasEveryProblemOfTheVocabularies(t *testing.T) {
	models := three(t)
	x := models["x"]
	x.Config.RopeTheta, x.Config.TieWordEmbeddings = 5e5, true
	x.Vocabulary = nil
	models["x"] = x
	delete(models, "y")
	r := worded(&Tokenizer{})
	r.Groups, r.Sources[0].Weight = Blocks, Numbers(1, 2)
	requireProblems(t, Fit(r, models),
		`model y : there is no model "y"`,
		`head x tie_word_embeddings: tie_word_embeddings of "x" is true, of "b" false: the output head of "x" is its embedding, and "b" has one of its own`,
		`architecture x rope_theta: rope_theta of "x" is 500000, of "b" 10000`,
		`numbers x weight: weight of "x" has 2 values for the 5 layer groups of grouping "blocks"`,
		`vocabulary x tokenizer.json: "x" has no tokenizer.json, whose tokens could be merged`,
	)

	source := func(kind, model, token string, id *int) TokenRow {
		return TokenRow{Source: &RowSource{Kind: kind, Model: model, Token: token, TokenID: id}, Force: true}
	}
	r = worded(&Tokenizer{Tokens: map[string]TokenRow{
		"1": source("", "b", "", nil), "2": source(RowOfToken, "x", "n", nil), "3": source(RowOfToken, "y", "", pointer(5)), "u": source("", "y", "", nil),
	}})
	requireProblems(t, Fit(r, three(t)),
		`vocabulary b tokenizer.tokens.1: token "1" is to have the row of "1" in "b", which has no such token`,
		`vocabulary x tokenizer.tokens.2: token "2" is to have the row of "n" in "x", which has no such token`,
		`vocabulary y tokenizer.tokens.3: token "3" is to have row 5 of "y", which has 5 rows`,
	)
	_, err := NewVocabulary(r, three(t))
	require.Equal(t, fault.Unfit, fault.CodeOf(err))

	// A base whose text ends with what is no token of its own.
	models = three(t)
	b := models["b"]
	b.Config.VocabSize, b.Config.EOSTokenIDs = 16, []int{12}
	models["b"] = b
	requireProblems(t, Fit(worded(&Tokenizer{Source: "base"}), models),
		"vocabulary b tokenizer: the merged model would have 4 rows: eos_token_id = 12 is not in the vocabulary of 4")
}

// requireProblems compares a report with what it should say: kind, model, field
// and message.
func requireProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	require.Equal(t, fault.Unfit, fault.CodeOf(err), "%v", err)
	var m *Misfit
	require.ErrorAs(t, err, &m)
	var got []string
	for _, p := range m.Problems {
		got = append(got, fmt.Sprintf("%s %s %s: %s", p.Kind, p.Model, p.Field, p.Message))
	}
	require.Equal(t, want, got)
}

// Vocabularies of different sizes are refused unless the recipe says what to do,
// and the report says how.
func TestVocabulariesThatDifferAreRefusedWithoutATokenizer(t *testing.T) {
	models := three(t)
	for name, d := range models {
		d.Tokens = d.Vocabulary.Rows()
		models[name] = d
	}
	requireProblems(t, Fit(worded(nil), models),
		`vocabulary x vocab_size: vocab_size of "x" is 8, of "b" 4; "x" has 6 tokens, and 2 rows to spare; "b" has 4 tokens`+byTokenHint,
		`vocabulary y vocab_size: vocab_size of "y" is 5, of "b" 4; "y" has 5 tokens; "b" has 4 tokens`+byTokenHint)
	require.NoError(t, Fit(worded(&Tokenizer{Source: "base"}), models))
}

// Files may hold a head although it is the embedding; nobody asks for it.
func TestAHeadThatIsTiedMayBeStored(t *testing.T) {
	c := miniature()
	c.TieWordEmbeddings = true
	plain, doubled := described(c), described(c)
	doubled.Tensors = append(doubled.Tensors, checkpoint.TensorInfo{Name: "lm_head.weight", Shape: []int{c.VocabSize, c.HiddenSize}})
	require.NoError(t, Fit(paper(), map[string]Described{"base": plain, "ja": doubled, "math": plain}))
}

// Biases that one model's config asks for are missing in its own files, and in the
// other's config.
func TestOptionalTensorsAreReportedWithWhatElseIsWrong(t *testing.T) {
	c := miniature()
	base, math := described(c), described(c)
	math.Config.ModelType, base.Config.ModelType, c.ModelType = "llama", "llama", "llama"
	math.Config.AttentionBias = true
	untied := described(c)
	untied.Config.TieWordEmbeddings, untied.Config.VocabSize = true, 600
	requireProblems(t, Fit(paper(), map[string]Described{"base": base, "ja": untied, "math": math}),
		`shape ja model.embed_tokens.weight: tensor model.embed_tokens.weight of "ja" is [512 128], by its config [600 128]`,
		`tensors math model.layers.0.self_attn.q_proj.bias: "math" has no tensors model.layers.0.self_attn.q_proj.bias, model.layers.0.self_attn.k_proj.bias, model.layers.0.self_attn.v_proj.bias and 13 more, which its config asks for`,
		`vocabulary ja vocab_size: vocab_size of "ja" is 600, of "base" 512`+byTokenHint,
		`head ja tie_word_embeddings: tie_word_embeddings of "ja" is true, of "base" false: the output head of "ja" is its embedding, and "base" has one of its own`,
		`tensors math attention_bias: attention_bias of "math" is true, of "base" false`)
}
