package merge

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// spoken are random weights for models of different vocabularies.
func spoken(t testing.TB, described map[string]Described) map[string]*infer.Weights {
	rng := rand.New(rand.NewPCG(9, 0))
	models := map[string]*infer.Weights{}
	for _, name := range []string{"b", "x", "y"} { // in order, for the generator's sake
		models[name] = randomWeights(t, rng, described[name].Config)
	}
	return models
}

// aligned makes, on the host and one row at a time, the model that has its
// embedding and head in the order of a vocabulary.
func aligned(t testing.TB, v *Vocabulary, models map[string]*infer.Weights, name string) *infer.Weights {
	t.Helper()
	self := v.index(name)
	width := models[name].Config().HiddenSize
	rowsOf := func(model int, tensor string) func(row int32) []float32 {
		values, err := tensors.CopyFlatData[float32](models[v.models[model]].Tensor(tensor))
		require.NoError(t, err)
		return func(row int32) []float32 { return values[int(row)*width : (int(row)+1)*width] }
	}
	c := models[name].Config()
	var all []*tensors.Tensor
	for _, p := range arch.Params(c) {
		values, err := tensors.CopyFlatData[float32](models[name].Tensor(p.Name))
		require.NoError(t, err)
		if !p.ByToken() {
			all = append(all, tensors.FromFlatDataAndDimensions(values, p.Shape...))
			continue
		}
		out := make([]float32, v.Rows*width)
		sum, count := make([]float64, width), 0.0
		for row := range v.Rows {
			if v.blank[row] {
				continue
			}
			at := out[row*width : (row+1)*width]
			i := slices.IndexFunc(v.filled, func(f filled) bool { return f.row == row && (f.force || v.own[self][row] < 0) })
			if i < 0 {
				copy(at, rowsOf(self, p.Name)(v.own[self][row]))
			} else {
				for _, one := range v.filled[i].from {
					for e, x := range rowsOf(one.model, p.Name)(one.row) {
						at[e] += x
					}
				}
				for e := range at {
					at[e] /= float32(max(len(v.filled[i].from), 1))
				}
			}
			for e, x := range at {
				sum[e] += float64(x)
			}
			count++
		}
		for row := range v.Rows {
			for e := range sum {
				if v.blank[row] {
					out[row*width+e] = float32(sum[e] / count)
				}
			}
		}
		all = append(all, tensors.FromFlatDataAndDimensions(out, v.Rows, width))
	}
	c.VocabSize = v.Rows
	w, err := infer.NewWeights(c, devicetest.Open(t), all)
	require.NoError(t, err)
	t.Cleanup(w.Free)
	return w
}

// tokenizers are all that a tokenizer can be told, for the three models.
func tokenizers() map[string]*Tokenizer {
	return map[string]*Tokenizer{
		"base":   {Source: "base"},
		"union":  {},
		"y's":    {Source: "y"},
		"padded": {PadToMultipleOf: 11},
		"tokens": {Source: "x", Tokens: map[string]TokenRow{
			"u": {Source: &RowSource{Model: "y"}, Force: true}, "<0>": {Source: &RowSource{Kind: RowZero}},
			"<1>": {Source: &RowSource{Kind: RowOfToken, Model: "x", TokenID: pointer(7)}},
		}},
	}
}

// To merge by token is to bring all models into one order and then to merge them:
// to the last bit, masks and rankings included, wherever the models are.
func TestMergingByTokenIsMergingAlignedModels(t *testing.T) {
	x := newExecutor(t)
	described := three(t)
	models := spoken(t, described)
	for name, tokenizer := range tokenizers() {
		for i, method := range []Method{Linear, TIES, DARETIES, DELLA, Breadcrumbs, MultiSLERP, DARETIES, TIES} {
			dtype, rescale := "float32", ""
			if i >= 6 { // by the kernel, where there is one
				dtype, rescale = "bfloat16", RescaleL1
			}
			t.Run(name+", "+string(method)+", "+dtype, func(t *testing.T) {
				r := worded(tokenizer)
				r.Method, r.Normalize, r.DType, r.Rescale, r.Seed = method, method == Linear, dtype, rescale, 3
				if method.Sparsifies() {
					r.Sources[0].Density = Numbers(0.4)
				}
				if method == MultiSLERP {
					r.Base, r.Sources = "", append(r.Sources, Source{Model: "b", Weight: Numbers(0.3)})
				}
				var err error
				r.Vocabulary, err = NewVocabulary(r, described)
				require.NoError(t, err)
				got, err := x.Merge(t.Context(), r, models)
				require.NoError(t, err)
				defer got.Free()

				plain, inOrder := r, map[string]*infer.Weights{}
				plain.Tokenizer, plain.Vocabulary = nil, nil
				for name := range models {
					inOrder[name] = aligned(t, r.Vocabulary, models, name)
				}
				want, err := x.Merge(t.Context(), plain, inOrder)
				require.NoError(t, err)
				defer want.Free()
				require.Equal(t, read(t, want), read(t, got))
				require.Equal(t, r.Vocabulary.Rows, got.Config().VocabSize)

				streamed, err := x.MergeFrom(t.Context(), r, shelve(t, models), StreamOptions{})
				require.NoError(t, err)
				defer streamed.Free()
				require.Equal(t, read(t, want), read(t, streamed))
			})
		}
	}
}

// A token that one source brings along comes out as that source has it.
func TestATokenOfOneSourceIsMergedAsItIs(t *testing.T) {
	described := three(t)
	models := spoken(t, described)
	r := worded(&Tokenizer{})
	r.Method, r.DType = DARETIES, "float32"
	var err error
	r.Vocabulary, err = NewVocabulary(r, described)
	require.NoError(t, err)
	w, err := newExecutor(t).Merge(t.Context(), r, models)
	require.NoError(t, err)
	defer w.Free()
	merged, err := tensors.CopyFlatData[float32](w.Tensor("lm_head.weight"))
	require.NoError(t, err)
	theirs, err := tensors.CopyFlatData[float32](models["y"].Tensor("lm_head.weight"))
	require.NoError(t, err)
	id, _ := r.Vocabulary.Tokens.ID("<y>")
	own, _ := described["y"].Vocabulary.ID("<y>")
	width := small().HiddenSize
	require.Equal(t, theirs[int(own)*width:int(own+1)*width], merged[int(id)*width:int(id+1)*width])
}

// Models that lie there as bfloat16 give one, rounded once: means are not rounded
// before they are merged.
func TestMergingByTokenRoundsOnce(t *testing.T) {
	x := newExecutor(t)
	described := three(t)
	wide := spoken(t, described)
	narrow := map[string]*infer.Weights{}
	for name, w := range wide {
		var all []*tensors.Tensor
		for i, values := range read(t, w) {
			halves := make([]bfloat16.BFloat16, len(values))
			for e, v := range values {
				halves[e] = bfloat16.FromFloat32(v)
			}
			all = append(all, tensors.FromFlatDataAndDimensions(halves, w.Tensors()[i].Shape().Dimensions...))
		}
		var err error
		narrow[name], err = infer.NewWeights(w.Config(), devicetest.Open(t), all)
		require.NoError(t, err)
		defer narrow[name].Free()
	}
	for name, tokenizer := range tokenizers() {
		r := worded(tokenizer)
		var err error
		r.Vocabulary, err = NewVocabulary(r, described)
		require.NoError(t, err)
		want, err := x.Merge(t.Context(), r, wide)
		require.NoError(t, err)
		got, err := x.Merge(t.Context(), r, narrow)
		require.NoError(t, err)
		require.Equal(t, dtypes.BFloat16, got.DType())
		for i, tensor := range got.Tensors() {
			halves, err := tensors.CopyFlatData[bfloat16.BFloat16](tensor)
			require.NoError(t, err)
			values, err := tensors.CopyFlatData[float32](want.Tensors()[i])
			require.NoError(t, err)
			for e, v := range values {
				require.Equal(t, v, halves[e].Float32(), "%s: tensor %d", name, i)
			}
		}
		want.Free()
		got.Free()
	}
}

func TestAVocabularyIsThatOfTheModels(t *testing.T) {
	x := newExecutor(t)
	described := three(t)
	models := spoken(t, described)
	r := worded(&Tokenizer{})
	_, err := x.Merge(t.Context(), r, models)
	require.Equal(t, fault.Internal, fault.CodeOf(err), "nobody has worked it out")
	r.Vocabulary, err = NewVocabulary(r, described)
	require.NoError(t, err)
	c := described["x"].Config
	c.VocabSize++
	models["x"] = randomWeights(t, rand.New(rand.NewPCG(1, 1)), c)
	_, err = x.Merge(t.Context(), r, models)
	require.Equal(t, fault.Internal, fault.CodeOf(err))
	require.ErrorContains(t, err, `"x" has 9 rows, and its vocabulary 8`)
}

// Of a stack the embedding is made like the first slice, the head like the last;
// all who lend to either have a say in the vocabulary.
func TestStacksAreMergedByToken(t *testing.T) {
	x := newExecutor(t)
	described := three(t)
	models := spoken(t, described)
	weighed := func(model string, from, to int) Source {
		return Source{Model: model, Weight: Numbers(0.5), Density: Numbers(0.6), LayerRange: Range{from, to}}
	}
	r := NewRecipe(DARETIES)
	r.Base, r.DType, r.Tokenizer = "b", "float32", &Tokenizer{Source: "union", PadToMultipleOf: 3, Tokens: map[string]TokenRow{"<0>": {Source: &RowSource{Model: "y", Kind: RowOfToken, Token: "n"}}}}
	r.Slices = []Slice{
		{Sources: []Source{{Model: "b", LayerRange: Range{0, 2}}, weighed("x", 1, 3)}},
		{Sources: []Source{{Model: "b", LayerRange: Range{1, 3}}, weighed("y", 0, 2)}},
	}
	body, err := r.Canonical()
	require.NoError(t, err)
	again, err := ParseRecipe(body)
	require.NoError(t, err)
	require.Equal(t, r.Tokenizer, again.Tokenizer)
	text, err := r.YAML("", planned)
	require.NoError(t, err)
	d, err := ParseYAML(text)
	require.NoError(t, err)
	fromYAML, err := d.Recipe.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(body), string(fromYAML))

	require.NoError(t, Fit(r, described))
	r.Vocabulary, err = NewVocabulary(r, described)
	require.NoError(t, err)
	got, err := x.Merge(t.Context(), r, models)
	require.NoError(t, err)
	defer got.Free()
	require.Equal(t, 9, got.Config().VocabSize)
	plain, inOrder := r, map[string]*infer.Weights{}
	plain.Tokenizer, plain.Vocabulary = nil, nil
	for name := range models {
		inOrder[name] = aligned(t, r.Vocabulary, models, name)
	}
	want, err := x.Merge(t.Context(), plain, inOrder)
	require.NoError(t, err)
	defer want.Free()
	require.Equal(t, read(t, want), read(t, got))
	streamed, err := x.MergeFrom(t.Context(), r, shelve(t, models), StreamOptions{})
	require.NoError(t, err)
	defer streamed.Free()
	require.Equal(t, read(t, want), read(t, streamed))

	// One that lends blocks alone has none.
	r.Vocabulary = nil
	r.Slices = []Slice{r.Slices[0], r.Slices[1], r.Slices[0]}
	requireProblems(t, Fit(r, described), `vocabulary y tokenizer: "y" lends blocks alone, neither embeddings nor a head: it has no say in the vocabulary`)
	r.Tokenizer = &Tokenizer{}
	v, err := NewVocabulary(r, described)
	require.NoError(t, err)
	require.Equal(t, []string{"b", "x"}, v.models)
}
