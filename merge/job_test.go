package merge

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
	p := partJob{part: part{recipe: r, places: toyPlaces(r.Groups)}, choices: c, program: newProgram(r, c)}
	if p.program.base {
		p.base = operand{owner: new(infer.Weights), tensors: toTensors(t, models[r.Base])}
	}
	for _, s := range r.Sources {
		p.sources = append(p.sources, operand{owner: new(infer.Weights), tensors: toTensors(t, models[s.Model])})
	}
	j := job{parts: []partJob{p}}
	for u := range 3 {
		j.units = append(j.units, unit{from: 3 * u, to: 3*u + 3})
	}
	return j
}

// runJob runs a job and reads the result.
func runJob(t testing.TB, x *Executor, j job) [][]float32 {
	out, err := x.run(context.Background(), j, StreamOptions{})
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

// toyRecipe merges the three sources, or as many as the method takes, each method
// with what it knows.
func toyRecipe(m Method) Recipe {
	r := NewRecipe(m)
	c := methods[m]
	r.Groups, r.DType, r.Seed = Ends, "float32", 11
	if c.base != ignoresBase || m == Linear {
		r.Base = "base"
	}
	r.Sources = []Source{
		{Model: "a", Weight: Numbers(0.7, 0.2, 1.3)},
		{Model: "b", Weight: Numbers(0.5)},
		{Model: "c", Weight: Numbers(-0.3, 1, 0)},
	}
	if m.Sparsifies() {
		r.Sources[0].Density = Numbers(0.5)
		r.Sources[1].Density = Numbers(0.1, 0.9, 1)
	}
	if c.most > 0 && c.most < len(r.Sources) {
		r.Sources = r.Sources[:c.most]
	}
	for i := range r.Sources {
		if !m.Weighs() {
			r.Sources[i].Weight = Setting{}
		}
		for _, q := range c.own {
			r.Sources[i].Parameters = r.Sources[i].Parameters.with(q.name, Numbers(0.05+0.1*float64(i)))
		}
	}
	shared := map[Method]Parameters{
		SLERP:     {"t": Numbers(0.25, -0.5, 1.5)},
		NearSwap:  {"t": Numbers(0.01, 0.1, 1e-3)},
		SCE:       {"select_topk": Numbers(0.5, 0.9, 0.2)},
		RAM:       {"epsilon": Numbers(0.02)},
		RAMPlusTL: {"epsilon": Numbers(0.1), "r": Numbers(0.5)},
	}
	r.Parameters = shared[m]
	return r
}

// variants are the toy recipe of a method with everything that it can be told.
func variants(m Method) map[string]Recipe {
	c := methods[m]
	rescales, spans, bases := []string{""}, []string{""}, []string{toyRecipe(m).Base}
	if m.Sparsifies() {
		rescales = []string{RescaleNone, RescaleDensity, RescaleL1, RescaleL2}
	}
	if len(c.spans) > 0 {
		spans = c.spans
	}
	if c.base == takesBase {
		bases = append(bases, "")
	}
	all := map[string]Recipe{}
	for _, rescale := range rescales {
		for _, span := range spans {
			for _, base := range bases {
				for _, other := range []bool{false, true} { // than the first
					r := toyRecipe(m)
					r.Rescale, r.Span, r.Base, r.Normalize = rescale, span, base, other && c.normalizes()
					if other && c.scales() {
						r.Lambda = -0.5
					}
					if other && rescale == RescaleL2 && c.consensus != everyone {
						r.Consensus = ConsensusCount
					}
					r = r.withDefaults()
					all[fmt.Sprintf("%s,%s,%s,base=%s,normalize=%t,lambda=%g", m, r.Rescale, r.Span, base, r.Normalize, r.Lambda)] = r
				}
			}
		}
	}
	return all
}

func TestEveryMethodAgreesWithTheFormulas(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(1)
	for _, m := range Methods() {
		for name, r := range variants(m) {
			t.Run(name, func(t *testing.T) {
				got := runJob(t, x, toyJob(t, r, models))
				r := r.normal()
				for i := range toyShapes {
					for e, want := range toyByHand(r, models, i) { // rounded once
						require.InDelta(t, want, got[i][e], roundingOf(got[i][e]), "tensor %d entry %d", i, e)
					}
				}
			})
		}
	}
}

// toyByHand merges tensor i of toys by the formulas. The recipe is in its normal form.
func toyByHand(r Recipe, models map[string][][]float32, i int) []float64 {
	var base []float32
	if r.Base != "" {
		base = models[r.Base][i]
	}
	var sources [][]float32
	for _, s := range r.Sources {
		sources = append(sources, models[s.Model][i])
	}
	return mergeByHand(r, toyPlaces(r.Groups)[i], toyShapes[i], base, sources)
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
			for e, v := range exact[i] { // weighted sums are carried in float32, and may round to either side of a middle
				error := max(1, float32(math.Abs(float64(v)))) / (1 << 21)
				require.LessOrEqual(t, bfloat16.FromFloat32(v-error).Float32(), got[i][e], "%s: tensor %d entry %d", m, i, e)
				require.GreaterOrEqual(t, bfloat16.FromFloat32(v+error).Float32(), got[i][e], "%s: tensor %d entry %d", m, i, e)
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
		c := methods[m]
		if c.base == ignoresBase {
			continue
		}
		for name, r := range variants(m) {
			switch r.Base = "base"; {
			case c.sums():
				for i := range r.Sources {
					r.Sources[i].Weight = Numbers(0)
				}
			case m == SLERP || m == NearSwap:
				r.Parameters = Parameters{"t": Numbers(0)}
			default:
				continue
			}
			assert.Equal(t, models["base"], runJob(t, x, toyJob(t, r, models)), name)
		}
	}
	models["a"], models["b"], models["c"] = models["base"], models["base"], models["base"]
	for _, m := range Methods() {
		for name, r := range variants(m) {
			if r.Base == "base" && m != Linear && m != SLERP { // which goes from the one to the other, and rounds
				assert.Equal(t, models["base"], runJob(t, x, toyJob(t, r, models)), name)
			}
		}
	}
}

// wholly is the recipe of a method that gives the source, if there is one.
func wholly(m Method, source string) (Recipe, bool) {
	c := methods[m]
	r := NewRecipe(m)
	r.DType = "float32"
	if c.base != ignoresBase {
		r.Base = "base"
	}
	r.Sources = []Source{{Model: source}}
	if m.Weighs() {
		r.Sources[0].Weight = Numbers(1)
	}
	switch m {
	case SLERP:
		r.Parameters = Parameters{"t": Numbers(1)}
	case NuSLERP:
		r.Sources = append(r.Sources, Source{Model: "a", Weight: Numbers(0)})
	case RAM, RAMPlusTL:
		r.Parameters = Parameters{"epsilon": Numbers(0)}
	case NearSwap, ModelStock, ArceeFusion: // parts of a source, always
		return r, false
	}
	return r, true
}

func TestOneWholeSourceIsThatSource(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(4)
	rng := rand.New(rand.NewPCG(4, 4))
	models["near"] = randomModel(rng, models["base"], 0.1)
	models["far"] = randomModel(rng, nil, 1e-6) // differences from the base lose all its digits
	models["farther"] = randomModel(rng, nil, 1e6)
	for _, m := range Methods() {
		for _, source := range []string{"near", "far", "farther"} {
			r, possible := wholly(m, source)
			if !possible {
				continue
			}
			assert.Equal(t, models[source], runJob(t, x, toyJob(t, r, models)), "%s of %s", m, source)
			if methods[m].normalizes() {
				r.Normalize = false
				assert.Equal(t, models[source], runJob(t, x, toyJob(t, r, models)), "%s of %s, a sum", m, source)
				r.Normalize, r.Sources[0].Weight = true, Numbers(0.3)
				assert.Equal(t, models[source], runJob(t, x, toyJob(t, r, models)), "%s of %s, a mean of one", m, source)
			}
		}
	}
}

func TestOrderOfSourcesDoesNotMatter(t *testing.T) {
	x := sharedExecutor(t)
	models := toys(5)
	for _, m := range Methods() {
		r := toyRecipe(m)
		r = r.withDefaults() // or another source would lend its configuration
		want := runJob(t, x, toyJob(t, r, models))
		slices.Reverse(r.Sources)
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
		last := len(r.Sources) - 1
		for i := range 5 {
			r.Seed++
			if m.Weighs() {
				r.Sources[last].Weight = Numbers(0.1*float64(i), 1, 0.5)
			}
			if m.Sparsifies() {
				r.Sources[last].Density = Numbers(1, 0.2, 0.1+0.1*float64(i))
			}
			if methods[m].scales() {
				r.Lambda = 1 + float64(i)
			}
			for _, q := range methods[m].shared {
				if !q.whole {
					r.Parameters = r.Parameters.with(q.name, Numbers(0.1*float64(i)))
				}
			}
			j.parts[0].recipe = r.normal()
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
	x.onePass = false // orders of all entries, not counts
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

	x.rankings.forget(j.parts[0].sources[0].owner)
	assert.Equal(t, int64(4*(2*entries-last)), x.rankings.bytes)
	x.rankings.forget(j.parts[0].base.owner)
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
	out, err := x.run(ctx, j, StreamOptions{})
	assert.Nil(t, out)
	assert.Equal(t, fault.Cancelled, fault.CodeOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestBrokenTensorsAreAnErrorNotAPanic(t *testing.T) {
	x := sharedExecutor(t)
	j := toyJob(t, toyRecipe(DARETIES), toys(10))
	j.parts[0].sources[1].tensors[3] = tensors.FromFlatDataAndDimensions([]float32{1, 2}, 2)
	out, err := x.run(context.Background(), j, StreamOptions{})
	assert.Nil(t, out)
	assert.Equal(t, fault.Internal, fault.CodeOf(err))
}
