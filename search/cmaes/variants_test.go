package cmaes

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/draw"
)

// variant is one case of testdata/variants.json, made by
// scripts/fixtures/cmaes_variants.py.
type variant struct {
	Name        string
	Mean        []float64
	Sigma       float64
	Population  int
	Covariance  Covariance
	AdaptRates  bool `json:"adapt_rates"`
	Levels      []int
	Weights     []float64
	Constants   []float64
	Foreign     bool // the constants are not ours
	Chi         float64
	FirstC      []float64 `json:"first_c"`
	Generations []struct {
		Xs, Encoded [][]float64
		Fitness     []float64
		Mean        []float64
		Sigma       float64
		PathSigma   []float64 `json:"path_sigma"`
		PathC       []float64 `json:"path_c"`
		C           []float64
		Rates       []float64
		Widen       []float64
	}
}

func (v variant) start(t *testing.T) *Optimizer {
	t.Helper()
	o := Options{Mean: v.Mean, Sigma: v.Sigma, Population: v.Population, Covariance: v.Covariance, AdaptRates: v.AdaptRates, Levels: v.Levels}
	if v.Levels != nil {
		o.Lower, o.Upper = fill(len(v.Mean), 0), fill(len(v.Mean), 1)
	}
	x, err := New(o)
	require.NoError(t, err)
	if v.FirstC != nil {
		x.shape, err = restoreFull(len(v.Mean), v.FirstC)
		require.NoError(t, err)
	}
	return x
}

func TestVariantsAgreeWithThePythonPackages(t *testing.T) {
	data, err := os.ReadFile("testdata/variants.json")
	require.NoError(t, err)
	var cases []variant
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, v := range cases {
		t.Run(v.Name, func(t *testing.T) {
			tolerance := 1e-8
			x := v.start(t)
			s := &x.strategy
			if v.Foreign {
				s.weights, s.sum = v.Weights, 0
				for _, w := range v.Weights {
					s.sum += w
				}
				s.muEff, s.cSigma, s.dSigma = v.Constants[0], v.Constants[1], v.Constants[2]
				s.cc, s.c1, s.cmu, s.chiN = v.Constants[3], v.Constants[4], v.Constants[5], v.Chi
			}
			assert.InDeltaSlice(t, v.Weights, s.weights, tolerance)
			assert.InDeltaSlice(t, v.Constants, []float64{s.muEff, s.cSigma, s.dSigma, s.cc, s.c1, s.cmu}, tolerance)
			for i, want := range v.Generations {
				at := fmt.Sprintf("generation %d", i+1)
				for k, encoded := range want.Encoded {
					assert.InDeltaSlice(t, encoded, x.Encode(want.Xs[k]), tolerance, at)
				}
				require.NoError(t, x.Tell(want.Xs, want.Fitness))
				assert.InDeltaSlice(t, want.Mean, x.mean, tolerance, at)
				assert.InDelta(t, want.Sigma, x.sigma, tolerance, at)
				assert.InDeltaSlice(t, want.PathSigma, x.pSigma, tolerance, at)
				assert.InDeltaSlice(t, want.PathC, x.pC, tolerance, at)
				assert.InDeltaSlice(t, want.C, x.shape.numbers(), tolerance, at)
				if want.Rates != nil {
					assert.InDeltaSlice(t, want.Rates, []float64{x.rates.Mean.Eta, x.rates.Covariance.Eta}, tolerance, at)
				}
				if want.Widen != nil {
					assert.InDeltaSlice(t, want.Widen, x.widen, tolerance, at)
				}
			}
		})
	}
	require.True(t, slices.ContainsFunc(cases, func(v variant) bool { return v.Foreign }))
}

// onPaper writes an optimizer down and reads it back.
func onPaper(t *testing.T, x *Optimizer) *Optimizer {
	t.Helper()
	data, err := json.Marshal(x)
	require.NoError(t, err)
	again := new(Optimizer)
	require.NoError(t, json.Unmarshal(data, again))
	return again
}

func TestVariantsOnPaperGoOnBitForBit(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"diagonal":            func(o *Options) { o.Covariance = Diagonal },
		"rates adapted":       func(o *Options) { o.AdaptRates = true },
		"margin":              func(o *Options) { o.Levels = []int{0, 2, 2, 5} },
		"diagonal and margin": func(o *Options) { o.Covariance, o.Levels = Diagonal, []int{2, 2, 0, 3} },
		"rates and margin":    func(o *Options) { o.AdaptRates, o.Levels = true, []int{2, 0, 0, 3} },
	} {
		t.Run(name, func(t *testing.T) {
			boxed := func(o *Options) { o.Lower, o.Upper = fill(4, 0), fill(4, 1); change(o) }
			straight, broken := start(t, 4, boxed), start(t, 4, boxed)
			f := func(v []float64) float64 { return rosenbrock(straight.Encode(v)) }
			for range 40 {
				broken = onPaper(t, broken)
				require.Equal(t, straight.Ask(), broken.Ask())
				require.Equal(t, straight.Encode(straight.Mean()), broken.Encode(broken.Mean()))
				generation(t, straight, f)
				generation(t, broken, f)
			}
		})
	}
}

func TestVariantsRefuseDamagedStates(t *testing.T) {
	x := start(t, 2, func(o *Options) {
		o.AdaptRates, o.Levels, o.Lower, o.Upper = true, []int{2, 0}, fill(2, 0), fill(2, 1)
	})
	y := start(t, 2, func(o *Options) { o.Covariance = Diagonal })
	for name, c := range map[string]struct {
		x      *Optimizer
		change func(m map[string]any)
	}{
		"no rates":           {x, func(m map[string]any) { delete(m, "rates") }},
		"no factors":         {x, func(m map[string]any) { delete(m, "widen") }},
		"a factor of 0":      {x, func(m map[string]any) { m["widen"] = []float64{0, 1} }},
		"too few factors":    {x, func(m map[string]any) { m["widen"] = []float64{1} }},
		"a rate of 0":        {x, func(m map[string]any) { m["rates"].(map[string]any)["mean"].(map[string]any)["eta"] = 0 }},
		"a short drift":      {x, func(m map[string]any) { m["rates"].(map[string]any)["mean"].(map[string]any)["drift"] = []float64{} }},
		"rates for nobody":   {y, func(m map[string]any) { m["rates"] = map[string]any{} }},
		"a negative scale":   {y, func(m map[string]any) { m["c"] = []float64{1, -1} }},
		"a full covariance":  {y, func(m map[string]any) { m["c"] = []float64{1, 0, 1} }},
		"another covariance": {y, func(m map[string]any) { m["options"].(map[string]any)["covariance"] = "round" }},
	} {
		data, err := json.Marshal(c.x)
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(data, &m))
		c.change(m)
		data, err = json.Marshal(m)
		require.NoError(t, err)
		assert.Equal(t, fault.Damaged, fault.CodeOf(new(Optimizer).UnmarshalJSON(data)), name)
	}
}

func TestADiagonalSolvesManyParameters(t *testing.T) {
	const dim = 200
	x := start(t, dim, func(o *Options) { o.Covariance, o.Lower, o.Upper = Diagonal, fill(dim, 0), fill(dim, 1) })
	target := func(v []float64) (sum float64) {
		for i, p := range v {
			sum += math.Pow(100, float64(i)/dim) * math.Pow(p-0.3-0.4*float64(i%2), 2)
		}
		return sum
	}
	first := target(x.Mean())
	for range 2000 {
		generation(t, x, target)
	}
	require.Less(t, target(x.Mean()), 1e-3*first)
}

func TestADiagonalTakesThousandsOfParameters(t *testing.T) {
	x := start(t, MaxDiagonalDim, func(o *Options) {
		o.Covariance, o.Lower, o.Upper = Diagonal, fill(MaxDiagonalDim, 0), fill(MaxDiagonalDim, 1)
	})
	for range 3 {
		for _, v := range x.Ask() {
			require.True(t, x.feasible(v))
			require.False(t, slices.Contains(v, 0), "nothing piles up on a face of the box")
		}
		generation(t, x, sphere)
	}
	require.Equal(t, x.Ask(), onPaper(t, x).Ask())
}

// What a margin is for: one level must not become the only one that is drawn.
func TestAMarginKeepsNeighbouringLevelsInReach(t *testing.T) {
	// The parameter with levels seems to be best at 0 until the others are right.
	deceptive := func(v []float64) float64 {
		if far := sphere([]float64{v[0] - 0.8, v[1] - 0.2}); far > 1e-6 {
			return far + 0.1*v[2] + 1
		}
		return 1 - v[2]
	}
	x := start(t, 3, func(o *Options) { o.Levels, o.Lower, o.Upper = []int{0, 0, 2}, fill(3, 0), fill(3, 1) })
	best := math.Inf(1)
	for range 400 {
		xs := x.Ask()
		fitness := make([]float64, len(xs))
		for i, v := range xs {
			encoded := x.Encode(v)
			require.Contains(t, []float64{0, 1}, encoded[2])
			require.Equal(t, v[:2], encoded[:2])
			fitness[i] = deceptive(encoded)
			best = math.Min(best, fitness[i])
		}
		require.NoError(t, x.Tell(xs, fitness))
	}
	require.Zero(t, best)
	require.InDelta(t, 1, x.Encode(x.Mean())[2], 0)
}

// What the adaptation of rates is for: noise that drowns the slope.
func TestAdaptedRatesSlowDownInNoise(t *testing.T) {
	distance := func(adapt bool) float64 {
		x := start(t, 8, func(o *Options) { o.AdaptRates, o.Sigma, o.Mean = adapt, 1, fill(8, 3) })
		noise := draw.Of(99, 0, 0)
		for range 600 {
			generation(t, x, func(v []float64) float64 { return sphere(v) + 10*noise.Normal() })
		}
		return norm(x.Mean())
	}
	fixed, adapted := distance(false), distance(true)
	t.Logf("distance from the optimum: %.3f with fixed rates, %.3f with adapted ones", fixed, adapted)
	require.Less(t, adapted, fixed)
}
