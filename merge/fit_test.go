package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// miniature is the configuration of the models in the zoo.
func miniature() checkpoint.Config {
	return checkpoint.Config{
		ModelType: "mistral", VocabSize: 512, HiddenSize: 128, IntermediateSize: 384, NumHiddenLayers: 4,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 32, MaxPositionEmbeddings: 512,
		RMSNormEps: 1e-5, RopeTheta: 10000, HiddenAct: "silu",
	}
}

func TestCheckFitAcceptsWhatOnlySaysHowAModelIsUsed(t *testing.T) {
	other := miniature()
	other.MaxPositionEmbeddings, other.SlidingWindow, other.RMSNormEps = 64, 32, 1e-6
	require.NoError(t, CheckFit(paper(), map[string]checkpoint.Config{"base": miniature(), "ja": other, "math": miniature()}))
}

func TestCheckFitListsEveryProblem(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*checkpoint.Config)
		says   string
	}{
		"architecture":    {func(c *checkpoint.Config) { c.ModelType = "llama" }, `model_type of "math" is llama, of "base" mistral`},
		"width":           {func(c *checkpoint.Config) { c.HiddenSize = 64 }, `hidden_size of "math" is 64, of "base" 128`},
		"depth":           {func(c *checkpoint.Config) { c.NumHiddenLayers = 5 }, "num_hidden_layers"},
		"heads":           {func(c *checkpoint.Config) { c.NumAttentionHeads = 8 }, "num_attention_heads"},
		"key/value heads": {func(c *checkpoint.Config) { c.NumKeyValueHeads = 4 }, "num_key_value_heads"},
		"head width":      {func(c *checkpoint.Config) { c.HeadDim = 16 }, "head_dim"},
		"feed-forward":    {func(c *checkpoint.Config) { c.IntermediateSize = 1 }, "intermediate_size"},
		"vocabulary":      {func(c *checkpoint.Config) { c.VocabSize = 513 }, "vocab_size"},
		"head":            {func(c *checkpoint.Config) { c.TieWordEmbeddings = true }, "tie_word_embeddings"},
		"activation":      {func(c *checkpoint.Config) { c.HiddenAct = "gelu" }, "hidden_act"},
		"rope":            {func(c *checkpoint.Config) { c.RopeTheta = 1e6 }, "rope_theta"},
		"biases":          {func(c *checkpoint.Config) { c.AttentionBias = true }, "attention_bias"},
		"more biases":     {func(c *checkpoint.Config) { c.MLPBias = true }, "mlp_bias"},
		"local rope":      {func(c *checkpoint.Config) { c.RopeLocalTheta = 100 }, "rope_local_base_freq"},
		"score scale":     {func(c *checkpoint.Config) { c.QueryPreAttnScalar = 24 }, "query_pre_attn_scalar"},
		"score cap":       {func(c *checkpoint.Config) { c.AttnLogitSoftcapping = 50 }, "attn_logit_softcapping"},
		"logit cap":       {func(c *checkpoint.Config) { c.FinalLogitSoftcapping = 30 }, "final_logit_softcapping"},
		"rope scaling":    {func(c *checkpoint.Config) { c.RopeScaling = &checkpoint.RopeScaling{Type: "linear", Factor: 2} }, "rope_scaling"},
	} {
		t.Run(name, func(t *testing.T) {
			configs := map[string]checkpoint.Config{"base": miniature(), "math": miniature()} // "ja" is missing
			other := configs["math"]
			c.change(&other)
			configs["math"] = other
			r := paper()
			r.Groups = Blocks
			err := CheckFit(r, configs)
			require.Error(t, err)
			assert.Equal(t, fault.Unfit, fault.CodeOf(err))
			assert.Contains(t, err.Error(), c.says)
			assert.Contains(t, err.Error(), `there is no model "ja"`)
			assert.Contains(t, err.Error(), `weight of "ja" has 4 values for the 6 layer groups of grouping "blocks"`)
		})
	}
}

// Which blocks have a window matters where it decides how they rotate.
func TestBlocksWithAWindowMustBeTheSameIfTheyRotateAlone(t *testing.T) {
	for _, local := range []float64{0, 1e4} {
		base, other := miniature(), miniature()
		base.RopeLocalTheta, other.RopeLocalTheta = local, local
		base.SlidingWindow, other.SlidingWindow = 16, 8
		base.SlidingLayers, other.SlidingLayers = []bool{true, false, true, false}, []bool{true, true, true, false}
		err := CheckFit(paper(), map[string]checkpoint.Config{"base": base, "ja": base, "math": other})
		if local == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, `layer_types of "math" is [0 1 2], of "base" [0 2]`)
		}
	}
}

func TestCheckFitOfAnInvalidRecipe(t *testing.T) {
	assert.Equal(t, fault.Invalid, fault.CodeOf(CheckFit(Recipe{}, nil)))
}

func TestCheckFitWithoutTheBase(t *testing.T) {
	err := CheckFit(paper(), map[string]checkpoint.Config{"ja": miniature(), "math": miniature()})
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
	assert.Contains(t, err.Error(), `there is no model "base"`)
}

// configsOf are the configurations of models that fit.
func configsOf(names ...string) map[string]checkpoint.Config {
	configs := map[string]checkpoint.Config{}
	for _, name := range names {
		configs[name] = miniature()
	}
	return configs
}

// described is a model whose files hold what its configuration asks for.
func described(c checkpoint.Config) Described {
	d := Described{Config: c}
	for _, p := range arch.Params(c) {
		d.Tensors = append(d.Tensors, checkpoint.TensorInfo{Name: p.Name, Shape: p.Shape})
	}
	return d
}

func TestTheReportHasEveryProblem(t *testing.T) {
	base, ja, math := described(miniature()), described(miniature()), miniature()
	ja.Tensors[2].Shape = []int{7, 7}
	ja.Tensors = append(ja.Tensors[:5], ja.Tensors[9:]...)
	ja.Tensors = append(ja.Tensors, checkpoint.TensorInfo{Name: "model.vision.weight", Shape: []int{1}}) // nobody asks for it
	math.VocabSize, math.TieWordEmbeddings, math.RopeTheta = 520, true, 5e5
	other := described(math)
	other.Tokens, base.Tokens = 515, 512
	r := paper()
	r.Groups, r.Layers = Blocks, 5
	err := Fit(r, map[string]Described{"base": base, "ja": ja, "math": other})
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
	var m *Misfit
	require.ErrorAs(t, err, &m)
	type short struct {
		kind         Kind
		model, field string
	}
	var got []short
	for _, p := range m.Problems {
		got = append(got, short{p.Kind, p.Model, p.Field})
		assert.Contains(t, err.Error(), p.Message)
	}
	assert.Equal(t, []short{
		{KindShape, "ja", "model.layers.0.self_attn.q_proj.weight"},
		{KindTensors, "ja", "model.layers.0.self_attn.o_proj.weight"},
		{KindVocabulary, "math", "vocab_size"},
		{KindHead, "math", "tie_word_embeddings"},
		{KindArchitecture, "math", "rope_theta"},
		{KindLayers, "base", ""},
		{KindNumbers, "ja", "weight"},
	}, got)
	for _, says := range []string{
		"tensor model.layers.0.self_attn.q_proj.weight of \"ja\" is [7 7], by its config [128 128]",
		`"ja" has no tensors model.layers.0.self_attn.o_proj.weight, model.layers.0.post_attention_layernorm.weight, model.layers.0.mlp.gate_proj.weight and 1 more`,
		`vocab_size of "math" is 520, of "base" 512; "math" has 515 tokens, and 5 rows to spare; "base" has 512 tokens`,
		`the output head of "math" is its embedding, and "base" has one of its own`,
	} {
		assert.Contains(t, err.Error(), says)
	}
}

func TestTheReportEnds(t *testing.T) {
	c := miniature()
	c.NumHiddenLayers = 64
	base, ja := described(c), described(c)
	for i := range ja.Tensors {
		ja.Tensors[i].Shape = []int{1}
	}
	r := NewRecipe(TaskArithmetic)
	r.Base, r.Sources = "base", []Source{{Model: "ja", Weight: Numbers(1)}}
	require.NoError(t, Fit(r, map[string]Described{"base": base, "ja": base}))
	var m *Misfit
	require.ErrorAs(t, Fit(r, map[string]Described{"base": base, "ja": ja}), &m)
	assert.Len(t, m.Problems, maxProblems)
}

func TestNumbersOfAMergeMustMatchItsGroups(t *testing.T) {
	r := toyRecipe(SLERP)
	r.Groups, r.Parameters = Blocks, Parameters{"t": Numbers(0, 1, 2, 3)}
	require.ErrorContains(t, CheckFit(r, configsOf("base", "a")), "t of \"the merge\" has 4 values for the 6 layer groups")
}
