package merge

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// A toy is a model of three layer groups with three tensors each.
var toyShapes = [][]int{{16, 24}, {33}, {1}, {16, 24}, {33}, {1}, {16, 24}, {33}, {1}}

var toyNames = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}

// newExecutor is an executor that is closed with the test.
func newExecutor(t testing.TB) *Executor {
	x := NewExecutor(devicetest.Open(t))
	t.Cleanup(x.Close)
	return x
}

// sharedExecutor is the one whose compiled programs most tests share.
func sharedExecutor(t testing.TB) *Executor {
	if executor == nil {
		executor = NewExecutor(devicetest.Open(t))
	}
	executor.rankings.forgetAll()
	return executor
}

var executor *Executor

// randomModel fills a toy with numbers: bfloat16 ones around a base, or plain.
func randomModel(rng *rand.Rand, around [][]float32, spread float64) [][]float32 {
	model := make([][]float32, len(toyShapes))
	for t, shape := range toyShapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		model[t] = make([]float32, n)
		for e := range model[t] {
			v := rng.NormFloat64() * spread
			if around != nil {
				v += float64(around[t][e])
			}
			model[t][e] = bfloat16.FromFloat32(float32(v)).Float32()
		}
	}
	return model
}

// toTensors copies a toy to tensors, freed with the test.
func toTensors(t testing.TB, model [][]float32) []*tensors.Tensor {
	out := make([]*tensors.Tensor, len(model))
	for i, values := range model {
		out[i] = tensors.FromFlatDataAndDimensions(values, toyShapes[i]...)
	}
	t.Cleanup(func() { device.Free(out...) })
	return out
}

// toyPlaces are where the tensors of a toy stand: in the embedding, a block, and
// the head.
func toyPlaces(g Grouping) []place {
	var places []place
	for i, name := range toyNames {
		places = append(places, newPlace(arch.Param{Name: name, Group: arch.Group{Part: arch.Part(i / 3)}}, g, 1))
	}
	return places
}

// toyJob prepares the merge of toys. Models go by name.
func toyJob(t testing.TB, r Recipe, models map[string][][]float32) job {
	require.NoError(t, r.Validate())
	r = r.normal()
	c := methods[r.Method]
	j := job{
		recipe: r, choices: c, program: newProgram(r, c), places: toyPlaces(r.Groups),
	}
	for u := range 3 {
		j.units = append(j.units, unit{from: 3 * u, to: 3*u + 3})
	}
	if c.base == needsBase {
		j.base = operand{owner: new(infer.Weights), tensors: toTensors(t, models[r.Base])}
	}
	for _, s := range r.Sources {
		j.sources = append(j.sources, operand{owner: new(infer.Weights), tensors: toTensors(t, models[s.Model])})
	}
	return j
}

// runJob runs a job and reads the result.
func runJob(t testing.TB, x *Executor, j job) [][]float32 {
	out, err := x.run(context.Background(), j)
	require.NoError(t, err)
	defer device.Free(out...)
	values := make([][]float32, len(out))
	for i, tensor := range out {
		assert.Equal(t, toyShapes[i], tensor.Shape().Dimensions)
		values[i], err = tensors.CopyFlatData[float32](tensor)
		require.NoError(t, err)
	}
	return values
}

// toys are a base and three sources around it.
func toys(seed uint64) map[string][][]float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	base := randomModel(rng, nil, 1)
	return map[string][][]float32{
		"base": base,
		"a":    randomModel(rng, base, 0.1),
		"b":    randomModel(rng, base, 0.01),
		"c":    randomModel(rng, base, 0.1),
	}
}

// toyRecipe merges the three sources, each method with what it knows.
func toyRecipe(m Method) Recipe {
	r := NewRecipe(m)
	r.Base, r.Groups, r.DType, r.Seed = "base", Ends, "float32", 11
	r.Sources = []Source{
		{Model: "a", Weight: Numbers(0.7, 0.2, 1.3)},
		{Model: "b", Weight: Numbers(0.5)},
		{Model: "c", Weight: Numbers(-0.3, 1, 0)},
	}
	if m.Sparsifies() {
		r.Sources[0].Density = Numbers(0.5)
		r.Sources[1].Density = Numbers(0.1, 0.9, 1)
	}
	return r
}

func TestEveryMethodAgreesWithTheFormulas(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(1)
	for _, m := range Methods() {
		rescales := []string{""}
		if m.Sparsifies() {
			rescales = []string{RescaleNone, RescaleDensity, RescaleL1}
		}
		for _, rescale := range rescales {
			for _, normalize := range []bool{false, true} {
				for _, lambda := range []float64{1, -0.5} {
					if lambda != 1 && !m.NeedsBase() {
						continue
					}
					r := toyRecipe(m)
					r.Rescale, r.Normalize, r.Lambda = rescale, normalize, lambda
					t.Run(fmt.Sprintf("%s/%s/normalize=%t/lambda=%g", m, r.Rescale, normalize, lambda), func(t *testing.T) {
						got := runJob(t, x, toyJob(t, r, models))
						for i := range toyShapes {
							var sources [][]float32
							for _, s := range r.Sources {
								sources = append(sources, models[s.Model][i])
							}
							want := mergeByHand(r, toyPlaces(r.Groups)[i], models["base"][i], sources)
							assertClose(t, want, got[i], 4)
						}
					})
				}
			}
		}
	}
}

// assertClose compares to within a few units in the last place of float32, or
// of one where numbers cancel to less.
func assertClose(t testing.TB, want []float64, got []float32, ulps float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for e := range want {
		unit := math.Max(1, math.Abs(want[e])) / (1 << 23)
		if diff := math.Abs(want[e] - float64(got[e])); !(diff <= ulps*unit) {
			require.Failf(t, "too far", "entry %d: want %v, got %v: %.1f units in the last place", e, want[e], got[e], diff/unit)
		}
	}
}

func TestResultsAreRoundedOnce(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(2)
	for _, m := range Methods() {
		r := toyRecipe(m)
		exact := runJob(t, x, toyJob(t, r, models))
		r.DType = "bfloat16"
		got := runJob(t, x, toyJob(t, r, models))
		for i := range exact {
			for e, v := range exact[i] {
				require.Equal(t, bfloat16.FromFloat32(v).Float32(), got[i][e], "%s: tensor %d entry %d", m, i, e)
			}
		}
		r.DType = "float16"
		got = runJob(t, x, toyJob(t, r, models))
		for i := range exact {
			for e, v := range exact[i] {
				require.InDelta(t, v, got[i][e], math.Max(math.Abs(float64(v))/(1<<11), 1.0/(1<<25)), "%s: tensor %d entry %d", m, i, e)
			}
		}
	}
}

func TestNothingAddedIsTheBase(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(3)
	for _, m := range Methods() {
		if !m.NeedsBase() {
			continue
		}
		for _, normalize := range []bool{false, true} {
			r := toyRecipe(m)
			r.Normalize = normalize
			for i := range r.Sources {
				r.Sources[i].Weight = Numbers(0)
			}
			assert.Equal(t, models["base"], runJob(t, x, toyJob(t, r, models)), m)
		}
	}
}

func TestOneWholeSourceIsThatSource(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(4)
	rng := rand.New(rand.NewPCG(4, 4))
	models["far"] = randomModel(rng, nil, 1e-6) // differences from the base lose all its digits
	models["farther"] = randomModel(rng, nil, 1e6)
	for _, m := range Methods() {
		for _, source := range []string{"a", "far", "farther"} {
			for _, normalize := range []bool{false, true} {
				r := NewRecipe(m)
				r.Base, r.DType, r.Normalize = "base", "float32", normalize
				r.Sources = []Source{{Model: source, Weight: Numbers(1)}}
				assert.Equal(t, models[source], runJob(t, x, toyJob(t, r, models)), "%s of %s", m, source)
				if normalize {
					r.Sources[0].Weight.Values[0] = 0.3
					assert.Equal(t, models[source], runJob(t, x, toyJob(t, r, models)), "%s of %s, a mean of one", m, source)
				}
			}
		}
	}
}

func TestOrderOfSourcesDoesNotMatter(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(5)
	for _, m := range Methods() {
		r := toyRecipe(m)
		want := runJob(t, x, toyJob(t, r, models))
		r.Sources[0], r.Sources[1], r.Sources[2] = r.Sources[2], r.Sources[0], r.Sources[1]
		assert.Equal(t, want, runJob(t, x, toyJob(t, r, models)), m)
	}
}

func TestASearchDoesNotCompile(t *testing.T) {
	x := newExecutor(t)
	models := toys(6)
	for _, m := range Methods() {
		r := toyRecipe(m)
		j := toyJob(t, r, models)
		runJob(t, x, j)
		compiled := x.Compilations()
		for i := range 5 {
			r.Seed++
			r.Sources[1].Weight = Numbers(0.1*float64(i), 1, 0.5)
			if m.Sparsifies() {
				r.Sources[1].Density = Numbers(1, 0.2, 0.1+0.1*float64(i))
			}
			if m.NeedsBase() {
				r.Lambda = 1 + float64(i)
			}
			j.recipe = r.normal()
			runJob(t, x, j)
		}
		assert.Equal(t, compiled, x.Compilations(), m)
	}
}

func TestTiesAmongMagnitudesKeepNoMoreThanAsked(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(7)
	models["a"] = make([][]float32, len(toyShapes))
	for i := range toyShapes { // every difference has the same size
		models["a"][i] = make([]float32, len(models["base"][i]))
		for e := range models["a"][i] {
			models["base"][i][e] = 0
			models["a"][i][e] = float32(1 - 2*(e%2))
		}
	}
	r := NewRecipe(TIES)
	r.Base, r.DType = "base", "float32"
	r.Sources = []Source{{Model: "a", Weight: Numbers(1), Density: Numbers(0.3)}}
	got := runJob(t, x, toyJob(t, r, models))
	for i := range got {
		kept := 0
		for e, v := range got[i] {
			if v != 0 {
				kept++
				assert.Equal(t, kept-1, e, "among equals, the first are kept")
			}
		}
		assert.Equal(t, max(1, int(0.3*float64(len(got[i])))), kept)
	}
}

func TestRankingsAreKeptWithinTheBudgetAndForgotten(t *testing.T) {
	x := newExecutor(t)
	models := toys(8)
	r := toyRecipe(TIES)
	r.Sources[2].Density = Numbers(0.5)
	j := toyJob(t, r, models)
	want := runJob(t, x, j)
	entries := 0
	for _, tensor := range models["base"] {
		entries += len(tensor)
	}
	last := len(models["base"][6]) + len(models["base"][7]) + len(models["base"][8]) // b is dense there: never sorted
	assert.Equal(t, int64(4*(3*entries-last)), x.rankings.bytes)

	x.rankings.forget(j.sources[0].owner)
	assert.Equal(t, int64(4*(2*entries-last)), x.rankings.bytes)
	x.rankings.forget(j.base.owner)
	assert.Zero(t, x.rankings.bytes)
	assert.Empty(t, x.rankings.known)

	x.rankings.budget = int64(5 * entries)
	assert.Equal(t, want, runJob(t, x, j))
	assert.NotZero(t, x.rankings.bytes)
	assert.LessOrEqual(t, x.rankings.bytes, x.rankings.budget)
}

func TestCancelledMergeStopsAndFrees(t *testing.T) {
	x := sharedExecutor(t)
	j := toyJob(t, toyRecipe(TaskArithmetic), toys(9))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out, err := x.run(ctx, j)
	assert.Nil(t, out)
	assert.Equal(t, fault.Cancelled, fault.CodeOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestBrokenTensorsAreAnErrorNotAPanic(t *testing.T) {
	x := sharedExecutor(t)
	j := toyJob(t, toyRecipe(DARETIES), toys(10))
	j.sources[1].tensors[3] = tensors.FromFlatDataAndDimensions([]float32{1, 2}, 2)
	out, err := x.run(context.Background(), j)
	assert.Nil(t, out)
	assert.Equal(t, fault.Internal, fault.CodeOf(err))
}
