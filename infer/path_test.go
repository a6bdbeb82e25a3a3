package infer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// step is a hop as testdata/paths.json has it.
type step struct {
	Model string
	Layer int
	Scale float32
}

// path makes a model of hops; the first one's model lends the ends.
func path(t testing.TB, models map[string]*infer.Model, steps []step) *infer.Model {
	t.Helper()
	ends := models[steps[0].Model]
	c := ends.Weights.Config()
	c.NumHiddenLayers = len(steps)
	var hops []infer.Hop
	var sliding []bool
	for _, s := range steps {
		w := models[s.Model].Weights
		hops = append(hops, infer.Hop{Weights: w, Layer: s.Layer, Scale: s.Scale})
		c.HopScales = c.HopScales || s.Scale != 1
		sliding = append(sliding, w.Config().Window(s.Layer) > 0)
	}
	if c.SlidingLayers != nil {
		c.SlidingLayers = sliding
	}
	w, err := infer.NewPath(c, devicetest.Open(t), ends.Weights, hops)
	require.NoError(t, err)
	t.Cleanup(w.Free)
	return &infer.Model{Name: "path", Weights: w, Tokenizer: ends.Tokenizer}
}

// ownWay are a model's own blocks in order, every one with scale 1.
func ownWay(m *infer.Model) []step {
	steps := make([]step, m.Weights.Config().NumHiddenLayers)
	for i := range steps {
		steps[i] = step{m.Name, i, 1}
	}
	return steps
}

// scored asks for all log probabilities that there are, and a greedy reply.
func scored(prompt []int32, background bool) infer.Request {
	r := greedy(prompt, 12)
	r.Background, r.PromptLogprobs, r.Sampling.Logprobs, r.Sampling.TopLogprobs = background, true, true, 20
	return r
}

func TestAPathAgreesWithTransformers(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "paths.json"))
	require.NoError(t, err)
	var cases map[string]struct {
		Path           []step
		Prompt, Greedy []int32
		Logits         [][]float32
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			models := map[string]*infer.Model{}
			for _, s := range want.Path {
				if models[s.Model] == nil {
					models[s.Model] = loadModel(t, s.Model, dtypes.Float32)
				}
			}
			m := path(t, models, want.Path)
			c := m.Weights.Config()
			var args []any
			for _, tensor := range m.Weights.Tensors() {
				args = append(args, tensor)
			}
			logits, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
				return arch.Forward(c, arch.Bind(c, in), graph.ExpandDims(graph.Const(in[0].Graph(), want.Prompt), 0))
			}, args...)
			require.NoError(t, err)
			flat := tensors.MustCopyFlatData[float32](logits)
			for i, row := range want.Logits {
				for v := range row {
					require.InDelta(t, row[v], flat[i*c.VocabSize+v], 1e-4, "logit %d after token %d", v, i)
				}
			}
			for _, background := range []bool{false, true} { // step by step; several steps a call
				r := greedy(want.Prompt, len(want.Greedy))
				r.Background = background
				got, err := engine(t, infer.Options{}).Generate(t.Context(), m, []infer.Request{r})
				require.NoError(t, err)
				require.Equal(t, m.Tokenizer.Decode(want.Greedy, true), got[0].Text)
			}
		})
	}
}

// A path of a model's own blocks in order is that model, to the last bit and with
// nothing to compile: in every dtype, with and without the kernel of our own.
func TestAModelsOwnWayIsTheModel(t *testing.T) {
	for _, c := range []struct {
		model string
		dtype dtypes.DType
	}{{"mistral-bf16", dtypes.BFloat16}, {"gemma3-f32", dtypes.Float32}} {
		t.Run(c.model+" in "+c.dtype.String(), func(t *testing.T) {
			m, prompt, _ := load(t, c.model, c.dtype)
			p := path(t, map[string]*infer.Model{m.Name: m}, ownWay(m))
			e := engine(t, infer.Options{})
			requests := []infer.Request{scored(prompt, false), greedy(prompt[:4], 12), scored(prompt[2:], false)}
			requests[1].Background = true
			want, err := e.Generate(t.Context(), m, requests)
			require.NoError(t, err)
			compiled := e.Compilations()
			got, err := e.Generate(t.Context(), p, requests)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, compiled, e.Compilations())
		})
	}
}

// What is compiled depends on how many hops there are, not on which. And a path's
// prompts are remembered for it alone.
func TestPathsOfALengthShareTheirPrograms(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	models := map[string]*infer.Model{m.Name: m, "mistral-deep-f32": loadModel(t, "mistral-deep-f32", dtypes.Float32)}
	e := engine(t, infer.Options{})
	ask := func(m *infer.Model) string {
		t.Helper()
		got, err := e.Generate(t.Context(), m, []infer.Request{greedy(prompt, 8)})
		require.NoError(t, err)
		return got[0].Text
	}
	first := path(t, models, []step{{m.Name, 0, 1}, {m.Name, 1, 1}, {m.Name, 1, 0.5}})
	reply := ask(first)
	require.Equal(t, reply, ask(first), "from a remembered prefix")
	compiled := e.Compilations()
	seen := map[string]bool{reply: true}
	for _, steps := range [][]step{
		{{m.Name, 1, 2}, {m.Name, 1, 1}, {m.Name, 1, 1}},
		{{m.Name, 0, 1}, {"mistral-deep-f32", 2, 0.25}, {"mistral-deep-f32", 0, -1}},
	} {
		seen[ask(path(t, models, steps))] = true
	}
	require.Len(t, seen, 3, "each path has a mind of its own")
	require.Equal(t, compiled, e.Compilations())
}

func TestAPathCopiesNoWeight(t *testing.T) {
	m, _, _ := load(t, "mistral-f32", dtypes.Float32)
	c := m.Weights.Config()
	c.NumHiddenLayers, c.HopScales = 3, true
	hops := []infer.Hop{{Weights: m.Weights, Layer: 1, Scale: 1}, {Weights: m.Weights, Layer: 0, Scale: 1}, {Weights: m.Weights, Layer: 1, Scale: 2}}
	w, err := infer.NewPath(c, devicetest.Open(t), m.Weights, hops)
	require.NoError(t, err)
	require.True(t, w.Shared())
	require.False(t, m.Weights.Shared())
	require.Equal(t, int64(3*4), w.Bytes(), "three scales")
	require.Same(t, m.Weights.Tensor("model.layers.1.mlp.up_proj.weight"), w.Tensor("model.layers.0.mlp.up_proj.weight"))
	require.Same(t, m.Weights.Tensor("model.embed_tokens.weight"), w.Tensor("model.embed_tokens.weight"))
	freed := 0
	w.OnFree(func() { freed++ })
	w.Free()
	w.Free()
	require.Equal(t, 1, freed)
	for _, tensor := range m.Weights.Tensors() {
		require.True(t, tensor.Ok(), "what is lent stays")
	}
}

func TestAPathIsRefused(t *testing.T) {
	m, _, _ := load(t, "mistral-f32", dtypes.Float32)
	narrow, _, _ := load(t, "mistral-f32", dtypes.BFloat16)
	c := m.Weights.Config()
	c.HopScales = true
	for name, r := range map[string]struct {
		config func(*checkpoint.Config)
		hops   []infer.Hop
		code   fault.Code
	}{
		"another dtype":     {func(*checkpoint.Config) {}, []infer.Hop{{Weights: m.Weights}, {Weights: narrow.Weights, Layer: 1}}, fault.Unfit},
		"another length":    {func(*checkpoint.Config) {}, []infer.Hop{{Weights: m.Weights}}, fault.Internal},
		"a layer too many":  {func(*checkpoint.Config) {}, []infer.Hop{{Weights: m.Weights}, {Weights: m.Weights, Layer: 2}}, fault.Internal},
		"a model's config":  {func(c *checkpoint.Config) { c.HopScales = false }, []infer.Hop{{Weights: m.Weights, Scale: 2}, {Weights: m.Weights, Scale: 1}}, fault.Internal},
		"blocks of a width": {func(c *checkpoint.Config) { c.IntermediateSize = 4 }, []infer.Hop{{Weights: m.Weights}, {Weights: m.Weights}}, fault.Internal},
	} {
		config := c
		r.config(&config)
		_, err := infer.NewPath(config, devicetest.Open(t), m.Weights, r.hops)
		require.Equal(t, r.code, fault.CodeOf(err), "%s: %v", name, err)
	}
}
