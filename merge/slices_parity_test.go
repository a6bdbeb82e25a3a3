package merge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// stacks is testdata/mergekit_slices.json: whole models that mergekit 0.1.5 made
// of slices, through scripts/fixtures/mergekit_slices.py.
type stacks struct {
	Config json.RawMessage
	Models map[string]map[string]string // base64 of little-endian float32, by tensor
	Merges map[string]struct {
		Layers  int
		Tensors map[string]string
	}
}

// readStacks reads the file and its models.
func readStacks(t *testing.T) (stacks, map[string]*infer.Weights) {
	data, err := os.ReadFile("testdata/mergekit_slices.json")
	require.NoError(t, err)
	var s stacks
	require.NoError(t, json.Unmarshal(data, &s))
	config, err := checkpoint.ParseConfig(s.Config)
	require.NoError(t, err)
	models := map[string]*infer.Weights{}
	for name, packed := range s.Models {
		var all []*tensors.Tensor
		for _, p := range arch.Params(config) {
			all = append(all, tensors.FromFlatDataAndDimensions(floats(t, packed[p.Name]), p.Shape...))
		}
		w, err := infer.NewWeights(config, devicetest.Open(t), all)
		require.NoError(t, err)
		t.Cleanup(w.Free)
		models[name] = w
	}
	return s, models
}

// floats reads base64 of little-endian float32.
func floats(t *testing.T, packed string) []float32 {
	data, err := base64.StdEncoding.DecodeString(packed)
	require.NoError(t, err)
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

// modelByHand merges whole models of float32 on paper, so to say: see mergeByHand.
func modelByHand(t *testing.T, r Recipe, merged checkpoint.Config, models map[string]*infer.Weights) map[string][]float64 {
	t.Helper()
	tensor := func(model string, p arch.Param, shift int) []float32 {
		values, err := tensors.CopyFlatData[float32](models[model].Tensor(p.In(p.Group.Block + shift).Name))
		require.NoError(t, err)
		return values
	}
	out := map[string][]float64{}
	for _, part := range r.normal().parts(merged) {
		for i, p := range part.params {
			here := part.recipe // with the numbers of this tensor, for sources see other names than the merge does
			here.Sources = slices.Clone(here.Sources)
			var base []float32
			var sources [][]float32
			if methods[here.Method].base != ignoresBase && here.Base != "" {
				base = tensor(here.Base, p, part.base)
			}
			for k := range here.Sources {
				s, at := &here.Sources[k], part.input(i, k)
				s.Weight, s.Density = Numbers(s.Weight.at(at, 0)), Numbers(s.Density.at(at, 1))
				sources = append(sources, tensor(s.Model, p, part.shift(k)))
			}
			for _, q := range methods[here.Method].each() {
				if at := part.places[i]; q.switches { // whose gradients are stairs
					yes := map[string]bool{normalizeName: here.normalizesAt(at), rescaleName: here.rescalesAt(at)}[q.name]
					here.Parameters = here.Parameters.with(q.name, Numbers(truth(yes)))
				}
			}
			out[p.Name] = mergeByHand(here, part.places[i], p.Shape, base, sources)
		}
	}
	return out
}

func TestSlicesAgreeWithMergekit(t *testing.T) {
	x := newExecutor(t)
	s, models := readStacks(t)
	configs := map[string]checkpoint.Config{}
	for name, w := range models {
		configs[name] = w.Config()
	}
	for file, want := range s.Merges {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata/yaml", file))
			require.NoError(t, err)
			d, err := ParseYAML(text)
			require.NoError(t, err)
			merged, err := x.Merge(t.Context(), d.Recipe, models)
			require.NoError(t, err)
			defer merged.Free()
			require.Equal(t, want.Layers, merged.Config().NumHiddenLayers)
			require.Equal(t, merged.Config().NumHiddenLayers, d.Recipe.Config(configs).NumHiddenLayers)
			require.Equal(t, dtypes.Float32, merged.DType())
			params := arch.Params(merged.Config())
			require.Len(t, want.Tensors, len(params))
			exact := modelByHand(t, d.Recipe, merged.Config(), models)
			for i, got := range read(t, merged) {
				name := params[i].Name
				assertParity(t, name, exact[name], floats(t, want.Tensors[name]), got)
			}
		})
	}
}

// Slices that are the whole models say nothing else than the models do.
func TestSlicesOfAllLayersAreTheWholeModels(t *testing.T) {
	x := newExecutor(t)
	_, models := readStacks(t)
	plain := NewRecipe(DARETIES)
	plain.Base, plain.DType, plain.Seed = "base", "float32", 3
	plain.Sources = []Source{{Model: "a", Weight: rules("mlp", []float64{1, 0.5}, "", []float64{0.7}), Density: Numbers(0.5)}, {Model: "b", Weight: Numbers(0.5)}}
	sliced := plain
	sliced.Sources = nil
	sliced.Slices = []Slice{{Sources: []Source{plain.Sources[1], {Model: "base"}, plain.Sources[0]}}}
	for i := range sliced.Slices[0].Sources {
		sliced.Slices[0].Sources[i].LayerRange = Range{0, 5}
	}
	want, err := x.Merge(t.Context(), plain, models)
	require.NoError(t, err)
	defer want.Free()
	got, err := x.Merge(t.Context(), sliced, models)
	require.NoError(t, err)
	defer got.Free()
	require.Equal(t, read(t, want), read(t, got))

	five := map[string]checkpoint.Config{"base": want.Config(), "a": want.Config(), "b": want.Config()}
	canonical, err := plain.Canonical()
	require.NoError(t, err)
	settled, err := sliced.Settle(five).Canonical()
	require.NoError(t, err)
	require.Equal(t, string(canonical), string(settled), "and so they are one recipe")
}

// A block may be divided between slices in any way where nothing depends on where
// in its slice it is.
func TestSlicesMayBeCutAnywhere(t *testing.T) {
	x := newExecutor(t)
	_, models := readStacks(t)
	whole := stackOf(TIES, "base", Range{1, 5}, 1)
	cut := stackOf(TIES, "base", Range{1, 5}, 4)
	require.Len(t, cut.Slices, 4)
	want, err := x.Merge(t.Context(), whole, models)
	require.NoError(t, err)
	defer want.Free()
	got, err := x.Merge(t.Context(), cut, models)
	require.NoError(t, err)
	defer got.Free()
	require.Equal(t, 4, got.Config().NumHiddenLayers)
	require.Equal(t, read(t, want), read(t, got))
}

// stackOf merges some blocks of a and b, in so many slices.
func stackOf(m Method, base string, layers Range, cuts int) Recipe {
	r := NewRecipe(m)
	r.Base, r.DType = base, "float32"
	for i := range cuts {
		part := Range{layers[0] + layers.size()*i/cuts, layers[0] + layers.size()*(i+1)/cuts}
		r.Slices = append(r.Slices, Slice{Sources: []Source{
			{Model: "base", LayerRange: part},
			{Model: "a", LayerRange: part, Weight: Numbers(0.5), Density: Numbers(0.3)},
			{Model: "b", LayerRange: part, Weight: Numbers(1.5), Density: Numbers(0.6)},
		}})
	}
	return r
}
