package arch_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// seen is what scripts/fixtures/vision.py wrote beside each tiny model that sees.
type seen struct {
	Tiles    [][]float32
	Features [][]float32 // of each tile
	Packed   [][]float32 // what stands in the prompt for the picture
	Prompt   []int32
	Logits   [][]float32
}

// sight gives a model's decoder and what sees, with their parameters.
type sight struct {
	text         checkpoint.Config
	vision       checkpoint.VisionConfig
	params, eyes []any
	want         seen
}

func sightOf(t *testing.T, name string) sight {
	t.Helper()
	dir := filepath.Join("..", "testdata", name)
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = folder.Close() })
	load := func(params []arch.Param) (all []any) {
		for _, p := range params {
			info, data, err := folder.Tensor(p.Name)
			require.NoError(t, err)
			require.Equal(t, p.Shape, info.Shape, p.Name)
			tensor, err := tensors.FromRaw(devicetest.Open(t).Backend(), 0, shapes.Make(info.DType, info.Shape...), data)
			require.NoError(t, err)
			all = append(all, tensor)
		}
		return all
	}
	s := sight{text: folder.Config(), vision: *folder.Vision()}
	s.params, s.eyes = load(arch.Params(s.text)), load(arch.VisionParams(s.vision, s.text.HiddenSize))
	require.Len(t, folder.Tensors(), len(s.params)+len(s.eyes), "every stored tensor is a parameter")
	data, err := os.ReadFile(filepath.Join(dir, "vision.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &s.want))
	return s
}

// tiles are the picture's, as a constant of a graph.
func (s sight) tiles(g *graph.Graph) *graph.Node {
	return graph.Const(g, tensors.FromFlatDataAndDimensions(slices.Concat(s.want.Tiles...), len(s.want.Tiles), 3, s.vision.ImageSize, s.vision.ImageSize))
}

func (s sight) see(t *testing.T, v checkpoint.VisionConfig) []float32 {
	t.Helper()
	features, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
		return graph.ConvertDType(arch.See(v, arch.BindVision(s.vision, s.text.HiddenSize, in), s.tiles(in[0].Graph())), dtypes.Float32)
	}, s.eyes...)
	require.NoError(t, err)
	require.Equal(t, []int{len(s.want.Tiles), s.vision.Features(), s.text.HiddenSize}, features.Shape().Dimensions)
	return tensors.MustCopyFlatData[float32](features)
}

func TestSeeAgreesWithTransformers(t *testing.T) {
	for _, c := range []struct {
		model     string
		tolerance float64
	}{{"llava-next-f32", 5e-5}, {"llava-f32", 5e-5}, {"llava-next-bf16", 0.1}} {
		t.Run(c.model, func(t *testing.T) {
			s := sightOf(t, c.model)
			requireClose(t, slices.Concat(s.want.Features...), s.see(t, s.vision), c.tolerance)
		})
	}
}

// A prompt with a picture in it, whose states are put where the picture stands.
func TestForwardSeeingAgreesWithTransformers(t *testing.T) {
	for _, c := range []struct {
		model     string
		tolerance float64
	}{{"llava-next-f32", 1e-4}, {"llava-f32", 1e-4}, {"llava-next-bf16", 0.15}} {
		t.Run(c.model, func(t *testing.T) {
			s := sightOf(t, c.model)
			n := len(s.want.Prompt)
			mask, features := make([]bool, n), make([]float32, 0, n*s.text.HiddenSize)
			for i, id := range s.want.Prompt {
				row := make([]float32, s.text.HiddenSize)
				if mask[i] = id == s.vision.ImageTokenID; mask[i] {
					row = s.want.Packed[i-slices.Index(s.want.Prompt, s.vision.ImageTokenID)]
				}
				features = append(features, row...)
			}
			logits, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
				row := func(x any) *graph.Node { return graph.ExpandDims(graph.Const(in[0].Graph(), x), 0) }
				states := row(tensors.FromFlatDataAndDimensions(features, n, s.text.HiddenSize))
				return arch.ForwardSeeing(s.text, arch.Bind(s.text, in), row(s.want.Prompt), states, row(mask))
			}, s.params...)
			require.NoError(t, err)
			requireClose(t, slices.Concat(s.want.Logits...), tensors.MustCopyFlatData[float32](logits), c.tolerance)
		})
	}
}

// Without any one of the keys the features are clearly others.
func TestVisionFixturesFeelEveryKey(t *testing.T) {
	for model, changes := range map[string]map[string]func(*checkpoint.VisionConfig){
		"llava-next-f32": {
			"hidden_act":           func(v *checkpoint.VisionConfig) { v.HiddenAct = "gelu" },
			"vision_feature_layer": func(v *checkpoint.VisionConfig) { v.FeatureLayers = []int{-1} },
			"projector_hidden_act": func(v *checkpoint.VisionConfig) { v.ProjectionAct = "quick_gelu" },
			"num_attention_heads":  func(v *checkpoint.VisionConfig) { v.NumAttentionHeads = 1 },
		},
		"llava-f32": {
			"hidden_act":           func(v *checkpoint.VisionConfig) { v.HiddenAct = "quick_gelu" },
			"layer_norm_eps":       func(v *checkpoint.VisionConfig) { v.LayerNormEps = 1e-5 },
			"vision_feature_layer": func(v *checkpoint.VisionConfig) { v.FeatureLayers = []int{-2, -1, 1} },
		},
	} {
		s := sightOf(t, model)
		for key, change := range changes {
			t.Run(model+" "+key, func(t *testing.T) {
				other := s.vision
				change(&other)
				var most float64
				for i, x := range s.see(t, other) {
					most = max(most, math.Abs(float64(x-slices.Concat(s.want.Features...)[i])))
				}
				require.Greater(t, most, 1e-4)
			})
		}
	}
}

// Training goes through what sees, down to its first layer, and leaves the last norm
// alone, which nothing looks through.
func TestSeeIsDifferentiable(t *testing.T) {
	s := sightOf(t, "llava-next-f32")
	params := arch.VisionParams(s.vision, s.text.HiddenSize)
	all, err := graph.CallOnceN(devicetest.Open(t).Backend(), func(in []*graph.Node) []*graph.Node {
		loss := graph.ReduceAllSum(graph.Square(arch.See(s.vision, arch.BindVision(s.vision, s.text.HiddenSize, in), s.tiles(in[0].Graph()))))
		gradients := graph.Gradient(loss, in...)
		for i, gradient := range gradients {
			gradients[i] = graph.ReduceAllMax(graph.Abs(gradient))
		}
		return gradients
	}, s.eyes...)
	require.NoError(t, err)
	last := s.vision.NumHiddenLayers - 1
	for i, p := range params {
		unused := strings.Contains(p.Name, "post_layernorm") || strings.Contains(p.Name, fmt.Sprintf("layers.%d.", last)) ||
			strings.Contains(p.Name, "k_proj.bias") || p.Name == checkpoint.NewlineName // a softmax doesn't feel what is added to all of its scores
		if size := tensors.ToScalar[float32](all[i]); unused {
			require.InDelta(t, 0, size, 1e-3, p.Name)
		} else {
			require.Greater(t, size, float32(1e-3), p.Name)
		}
	}
}
