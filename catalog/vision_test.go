package catalog_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// tinyVision is the part of the models in these tests that sees.
func tinyVision() checkpoint.VisionConfig {
	return checkpoint.VisionConfig{
		ModelType: "llava_next", HiddenSize: 8, IntermediateSize: 12, NumHiddenLayers: 2, NumAttentionHeads: 2, ImageSize: 8, PatchSize: 4,
		LayerNormEps: 1e-5, HiddenAct: "quick_gelu", ProjectionAct: "gelu", ProjectorBias: true, FeatureLayers: []int{-2},
		GridPinpoints: [][2]int{{8, 16}, {16, 8}}, ImageTokenID: 24,
	}
}

// visionBytes is the memory that it takes.
func visionBytes() (n int64) {
	for _, p := range arch.VisionParams(tinyVision(), tinyConfig().HiddenSize) {
		size := int64(4)
		for _, d := range p.Shape {
			size *= int64(d)
		}
		n += size
	}
	return n
}

// addEye writes a model that sees: the tiny one with a token for pictures and rows to
// spare.
func addEye(t *testing.T, dir string, seed uint64) {
	t.Helper()
	c, v := tinyConfig(), tinyVision()
	c.VocabSize = 28
	writeModel(t, dir, c, seed)
	config, err := v.JSON(c)
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "config.json"), config)
	text, err := checkpoint.OpenSafetensors(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	defer text.Close()
	var all []checkpoint.Tensor
	for _, name := range text.Names() {
		info, data, _ := text.Tensor(name)
		info.Name = "language_model." + name
		all = append(all, checkpoint.Tensor{TensorInfo: info, Data: append([]byte{}, data...)})
	}
	r := rand.New(rand.NewPCG(seed, 2))
	for _, p := range arch.VisionParams(v, c.HiddenSize) {
		info := checkpoint.TensorInfo{Name: p.Name, DType: dtypes.Float32, Shape: p.Shape}
		var data []byte
		for range info.Size() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(r.NormFloat64())))
		}
		all = append(all, checkpoint.Tensor{TensorInfo: info, Data: data})
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "model.safetensors")))
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(dir, "model.safetensors"), all, nil))
	writeTokenizer(t, dir, 25) // the last of which stands for pictures
	writeFile(t, filepath.Join(dir, "preprocessor_config.json"), []byte(`{"image_processor_type": "LlavaNextImageProcessor",
		"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}, "image_grid_pinpoints": [[8, 16], [16, 8]]}`))
	writeFile(t, filepath.Join(dir, "tokenizer_config.json"), []byte(`{"bos_token": "<s>", "eos_token": "</s>",
		"chat_template": "{% for m in messages %}w24 {{ m['content'] }} {% endfor %}"}`))
}

// withEye has the source "eye", which sees.
func withEye(w *world) { addEye(w.t, w.path("eye"), 20) }

// onto is a recipe of one source on a base.
func onto(base, source string) merge.Recipe {
	r := merge.NewRecipe(merge.TaskArithmetic)
	r.Base, r.DType = base, "float32"
	r.Sources = []merge.Source{{Model: source, Weight: merge.Numbers(0.5)}}
	return r
}

func TestAVisionPartIsLoadedOnceAndShared(t *testing.T) {
	w := newWorld(t, withEye)
	eye := w.acquire("eye")
	require.NotNil(t, eye.Model.Vision)
	require.Equal(t, visionBytes(), eye.Model.Vision.Bytes())
	require.Equal(t, tinyVision().ImageTokenID, eye.Model.Vision.Config().ImageTokenID)
	require.True(t, eye.Entry.Sees)
	models, _ := w.Resident()
	require.Equal(t, 1, models, "the vision part is no model")
	_, used := w.Budget()
	require.Equal(t, eye.Entry.Bytes+visionBytes(), used)

	ids := []string{w.keep("", onto("eye", "a")), w.keep("", onto("base", "eye"))}
	for _, id := range ids {
		lease := w.acquire(id)
		require.Same(t, eye.Model.Vision, lease.Model.Vision)
		require.True(t, lease.Entry.Sees)
		require.Equal(t, 25, lease.Model.Weights.Config().VocabSize, "the lender's tokens, without rows to spare")
		require.Equal(t, []int32{24}, lease.Model.Tokenizer.Encode("w24", true))
		require.Contains(t, lease.Model.Template.Source(), "w24")
		lease.Release()
	}
	candidate, err := w.Merge(t.Context(), onto("a", "eye"))
	require.NoError(t, err)
	require.Same(t, eye.Model.Vision, candidate.Model.Vision)
	candidate.Release()

	// Whoever has it keeps it, even when its source is gone from the device.
	eye.Release()
	lease := w.acquire(ids[0])
	_, err = w.Unload(t.Context(), "eye")
	require.NoError(t, err)
	require.Equal(t, visionBytes(), lease.Model.Vision.Bytes())
	again := w.acquire("eye")
	require.Same(t, lease.Model.Vision, again.Model.Vision)
	again.Release()
	lease.Release()

	w.alias("seer", ids[1])
	sees := map[string]bool{}
	all, err := w.List(t.Context())
	require.NoError(t, err)
	for _, e := range all {
		sees[e.ID] = e.Sees
	}
	require.Equal(t, map[string]bool{"a": false, "b": false, "base": false, "other": false, "eye": true, ids[0]: true, ids[1]: true, "seer": true}, sees)
}

// One that nobody has makes room for others.
func TestAVisionPartMakesRoom(t *testing.T) {
	w := newWorld(t, withEye, func(w *world) { w.budget = 3*tinyBytes() + visionBytes() })
	w.touch("eye")
	w.touch("base", "a", "b")
	_, used := w.Budget()
	require.LessOrEqual(t, used, 3*tinyBytes()+visionBytes())
	w.touch("eye") // and is loaded again
	require.NotNil(t, func() *infer.Vision { l := w.acquire("eye"); defer l.Release(); return l.Model.Vision }())
}

// All kinds of recipes see: their language part is a plain model.
func TestEveryRecipeSees(t *testing.T) {
	stack := merge.NewRecipe(merge.Passthrough)
	stack.DType = "float32"
	for _, from := range []struct {
		model  string
		blocks merge.Range
	}{{"eye", merge.Range{0, 2}}, {"a", merge.Range{1, 2}}, {"eye", merge.Range{1, 2}}} {
		stack.Slices = append(stack.Slices, merge.Slice{Sources: []merge.Source{{Model: from.model, LayerRange: from.blocks}}})
	}
	path := merge.Recipe{Method: merge.Dataflow, Base: "eye", Path: []merge.Hop{{Model: "eye"}, {Model: "a", Layer: 1, Scale: 0.5}, {Model: "eye", Layer: 1}}}
	nested := onto("in", "b")
	nested.Inputs = map[string]merge.Recipe{"in": onto("base", "eye")}
	winner := merge.Recipe{Method: merge.Dataflow, Base: "in", Path: []merge.Hop{{Model: "in"}, {Model: "a", Layer: 1}}, Inputs: nested.Inputs}
	groups := onto("eye", "a")
	groups.Method, groups.Groups, groups.Seed = merge.DARETIES, merge.Halves, 3
	groups.Sources[0].Weight, groups.Sources[0].Density = merge.Numbers(0.1, 0.2, 0.3, 0.4), merge.Numbers(0.5)
	blind := onto("eye", "a")
	blind.Vision, blind.Tokenizer = merge.NoVision, &merge.Tokenizer{Source: "eye"}
	for name, c := range map[string]struct {
		recipe merge.Recipe
		blocks int
	}{"a stack": {stack, 4}, "a path": {path, 3}, "recipes within recipes": {nested, 2}, "a path of a merge": {winner, 2}, "groups": {groups, 2}, "nothing": {blind, 2}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withEye)
			id := w.keep("", c.recipe)
			lease := w.acquire(id)
			defer lease.Release()
			require.Equal(t, c.recipe.Vision != merge.NoVision, lease.Model.Vision != nil)
			require.Equal(t, c.blocks, lease.Model.Weights.Config().NumHiddenLayers)
			words, err := w.Words(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, lease.Model.Tokenizer.Encode("w3 w24", true), words.Tokenizer.Encode("w3 w24", true))
			require.Equal(t, []int32{3, 24}, words.Tokenizer.Encode("w3 w24", true))
			card, err := w.Card(t.Context(), id)
			require.NoError(t, err)
			require.False(t, card.Changed)

			require.NoError(t, w.Export(t.Context(), id, catalog.ExportOptions{Dir: w.path("exported")}))
			exported := w.acquire("exported")
			defer exported.Release()
			require.Equal(t, []int32{3, 24}, exported.Model.Tokenizer.Encode("w3 w24", true))
			require.Equal(t, lease.Model.Template.Source(), exported.Model.Template.Source())
			if c.recipe.Method != merge.Dataflow { // whose scales are in its weights
				require.Equal(t, numbers(t, lease.Model), numbers(t, exported.Model))
			}
			if lease.Model.Vision == nil {
				require.Nil(t, exported.Model.Vision)
				return
			}
			require.Equal(t, lease.Model.Vision.ID(), exported.Model.Vision.ID(), "to the last bit")
			require.FileExists(t, w.path("exported", "preprocessor_config.json"))
			page, err := os.ReadFile(w.path("exported", "README.md"))
			require.NoError(t, err)
			require.Contains(t, string(page), "image-text-to-text")
		})
	}
}

// What does not fit is streamed, and sees as well.
func TestAStreamedMergeSees(t *testing.T) {
	w := newWorld(t, withEye)
	id := w.keep("", onto("base", "eye"))
	want := w.acquire(id)
	before := numbers(t, want.Model)
	want.Release()
	w.budget = 2*tinyBytes() + visionBytes() + 1<<10 // not for three models
	w.restart()
	lease := w.acquire(id)
	defer lease.Release()
	require.EqualValues(t, 1, w.merger.streams.Load())
	require.NotNil(t, lease.Model.Vision)
	require.Equal(t, before, numbers(t, lease.Model))
}

func TestASourceThatSeesMayChange(t *testing.T) {
	w := newWorld(t, withEye)
	id := w.keep("", onto("eye", "a"))
	before := w.acquire("eye")
	addEye(t, w.path("eye"), 21)
	_, err := w.Unload(t.Context(), "eye")
	require.NoError(t, err)
	after := w.acquire("eye")
	_, err = w.Acquire(t.Context(), id)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.NotEqual(t, before.Model.Vision.ID(), after.Model.Vision.ID())
	before.Release()
	after.Release()
}
