package merge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
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

// logitsOf are what a model says after each of some tokens.
func logitsOf(t *testing.T, w *infer.Weights) []float32 {
	t.Helper()
	var args []any
	for _, tensor := range w.Tensors() {
		args = append(args, tensor)
	}
	logits, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
		tokens := graph.Const(in[0].Graph(), [][]int32{{1, 7, 3, 22, 11, 5, 19, 2}})
		return arch.Forward(w.Config(), arch.Bind(w.Config(), in), tokens)
	}, args...)
	require.NoError(t, err)
	return tensors.MustCopyFlatData[float32](logits)
}

// folderOf is the folder of a model of a configuration, as far as an export reads it.
func folderOf(t *testing.T, c checkpoint.Config) string {
	t.Helper()
	dir := t.TempDir()
	config, err := c.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(`{"vocab": {}}`), 0o644))
	return dir
}

// mild are models whose streams have the size that trained ones' have.
func mild(t *testing.T, c checkpoint.Config) map[string]*infer.Weights {
	rng := rand.New(rand.NewPCG(8, 0))
	models := map[string]*infer.Weights{}
	for _, name := range []string{"base", "ja"} {
		w := randomWeights(t, rng, c)
		for i, p := range arch.Params(c) {
			if len(p.Shape) > 1 { // a quarter keeps what bfloat16 holds
				tensors.MustMutableFlatData(w.Tensors()[i], func(values []float32) {
					for e := range values {
						values[e] /= 4
					}
				})
			}
		}
		models[name] = w
	}
	return models
}

// What is exported answers as the path does, whatever its scales.
func TestAPathIsExportedAsAPlainModel(t *testing.T) {
	tied := small()
	tied.TieWordEmbeddings = true
	for name, c := range map[string]struct {
		config checkpoint.Config
		scales []float64
		stored dtypes.DType
		files  dtypes.DType
	}{
		"no scales":                {small(), []float64{1, 1, 1, 1}, dtypes.BFloat16, dtypes.BFloat16},
		"powers of two":            {small(), []float64{2, 0.5, 0.25, 4}, dtypes.BFloat16, dtypes.BFloat16},
		"any":                      {small(), []float64{1, 0.93, 1.21, 0.7}, dtypes.BFloat16, dtypes.Float32},
		"negative":                 {small(), []float64{1, -0.5, 1, 3}, dtypes.Float32, dtypes.Float32},
		"negative to the end":      {small(), []float64{1, 2, -1, 1}, dtypes.Float32, dtypes.Float32},
		"a tied head":              {tied, []float64{2, 1, 0.9, -1.3}, dtypes.Float32, dtypes.Float32},
		"float16 that grows":       {small(), []float64{1, 0.5, 1, 1}, dtypes.Float16, dtypes.Float32},
		"float16 that stays as is": {small(), []float64{1, 1, 1, 1}, dtypes.Float16, dtypes.Float16},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExecutor(t)
			c.config.DType = c.stored
			c.config.RMSNormEps = 1e-8 // what the scales of a stream change, but for rounding
			models := mild(t, c.config)
			r := NewRecipe(Dataflow)
			r.Base = "base"
			for i, h := range []Hop{{Model: "base", Layer: 0}, {Model: "ja", Layer: 2}, {Model: "ja", Layer: 2}, {Model: "base", Layer: 1}} {
				h.Scale = c.scales[i]
				r.Path = append(r.Path, h)
			}
			served, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer served.Free()
			dir := filepath.Join(t.TempDir(), "merged")
			all := map[string]Model{}
			for name, w := range models {
				all[name] = w
			}
			require.NoError(t, x.ExportFrom(t.Context(), dir, r, all, ExportOptions{Parent: folderOf(t, c.config)}))
			folder, err := checkpoint.Open(dir)
			require.NoError(t, err)
			defer folder.Close()
			require.Equal(t, 4, folder.Config().NumHiddenLayers)
			require.Equal(t, c.files, folder.Config().DType)
			require.Len(t, folder.Tensors(), len(arch.Params(folder.Config())), "and nothing besides")
			for _, info := range folder.Tensors() {
				require.Equal(t, c.files, info.DType, info.Name)
			}
			loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
			require.NoError(t, err)
			defer loaded.Free()
			want, got := logitsOf(t, served), logitsOf(t, loaded)
			for i := range want {
				require.InDelta(t, want[i], got[i], 1e-4, "logit %d", i)
			}
			d := Described{Config: c.config, Tensors: storedAs(c.config, c.stored)}
			planned := NewPlan(r, map[string]Described{"base": d, "ja": d}, map[string]dtypes.DType{"base": dtypes.Float32, "ja": dtypes.Float32})
			require.Equal(t, len(folder.Tensors()), planned.Tensors)
			require.Equal(t, bytesOfAll(folder.Tensors()), planned.Written)
			require.Equal(t, models["base"].Bytes()+models["ja"].Bytes(), planned.Device, "of which it is served")
		})
	}
}

func TestFactorsNeverShrinkTheStream(t *testing.T) {
	c := miniature()
	rng := rand.New(rand.NewPCG(3, 0))
	for range 200 {
		r := walk()
		for i := range r.Path {
			r.Path[i].Scale = math.Exp2(4*rng.Float64()-2) * float64(1-2*rng.IntN(2))
		}
		f, err := r.fold(c)
		require.NoError(t, err)
		stream := f.embedding // of the plain model, where the path's is 1
		for i, factor := range f.blocks {
			require.GreaterOrEqual(t, math.Abs(factor), 1-1e-12)
			require.InDelta(t, stream, factor*r.Path[i].Scale, 1e-9*math.Abs(stream), "what comes to the block is what leaves the one before it")
			stream = factor
		}
		require.Equal(t, math.Copysign(1, stream), f.norm)
	}
}

func TestAPathThatCantBeExportedSaysWhy(t *testing.T) {
	x := newExecutor(t)
	gemma := small()
	gemma.ModelType, gemma.HiddenAct, gemma.QueryPreAttnScalar = "gemma2", "gelu_pytorch_tanh", 8
	steep := make([]Hop, 60)
	for i := range steep {
		steep[i] = Hop{Model: "base", Scale: 0.5}
	}
	for name, c := range map[string]struct {
		config checkpoint.Config
		path   []Hop
		says   string
	}{
		"a family that norms what it adds": {gemma, []Hop{{Model: "base", Scale: 0.5}}, "can't be folded into a gemma2"},
		"scales that leave float32":        {small(), steep, "would leave the range of float32"},
	} {
		r := NewRecipe(Dataflow)
		r.Base, r.Path = "base", c.path
		w := randomWeights(t, rand.New(rand.NewPCG(1, 0)), c.config)
		dir := filepath.Join(t.TempDir(), "merged")
		err := x.ExportFrom(t.Context(), dir, r, map[string]Model{"base": w}, ExportOptions{})
		require.Equal(t, fault.Unfit, fault.CodeOf(err), name)
		require.ErrorContains(t, err, c.says, name)
		require.NoDirExists(t, dir)
	}
	// Without scales there is nothing to fold.
	gemma.DType = dtypes.Float32
	r := NewRecipe(Dataflow)
	r.Base, r.Path = "base", []Hop{{Model: "base", Layer: 1}, {Model: "base", Layer: 1}}
	w := randomWeights(t, rand.New(rand.NewPCG(1, 0)), gemma)
	dir := filepath.Join(t.TempDir(), "merged")
	require.NoError(t, x.ExportFrom(t.Context(), dir, r, map[string]Model{"base": w}, ExportOptions{Parent: folderOf(t, gemma)}))
	var card map[string]any
	require.NoError(t, json.Unmarshal([]byte(filesOf(t, dir)[RecipeFile]), &card))
	require.Equal(t, "dataflow", card["method"])
}
