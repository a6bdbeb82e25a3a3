package cmaes

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func sphere(x []float64) (sum float64) {
	for _, v := range x {
		sum += v * v
	}
	return sum
}

func ellipsoid(x []float64) (sum float64) {
	for i, v := range x {
		sum += math.Pow(1e6, float64(i)/float64(len(x)-1)) * v * v
	}
	return sum
}

func rosenbrock(x []float64) (sum float64) {
	for i := range len(x) - 1 {
		sum += 100*math.Pow(x[i+1]-x[i]*x[i], 2) + math.Pow(1-x[i], 2)
	}
	return sum
}

// generation asks, evaluates and tells once, and gives the best fitness.
func generation(t *testing.T, x *Optimizer, f func([]float64) float64) float64 {
	t.Helper()
	xs := x.Ask()
	fitness := make([]float64, len(xs))
	best := math.Inf(1)
	for i, v := range xs {
		fitness[i] = f(v)
		best = math.Min(best, fitness[i])
	}
	require.NoError(t, x.Tell(xs, fitness))
	return best
}

// start is a search from the middle of a unit box, as mergeway's searches do.
func start(t *testing.T, dim int, change func(*Options)) *Optimizer {
	t.Helper()
	o := Options{Mean: fill(dim, 0.5), Sigma: 1.0 / 6, Seed: 1}
	if change != nil {
		change(&o)
	}
	x, err := New(o)
	require.NoError(t, err)
	return x
}

func fill(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestSolves(t *testing.T) {
	for name, c := range map[string]struct {
		f           func([]float64) float64
		dim         int
		generations int
		change      func(*Options)
	}{
		"sphere":                 {sphere, 10, 200, nil},
		"ellipsoid":              {ellipsoid, 8, 400, nil},
		"rosenbrock":             {rosenbrock, 5, 500, nil},
		"one parameter":          {sphere, 1, 100, nil},
		"optimum in a corner":    {sphere, 4, 200, func(o *Options) { o.Lower, o.Upper = fill(4, 0), fill(4, 1) }},
		"a start far too narrow": {sphere, 4, 300, func(o *Options) { o.Mean, o.Sigma = fill(4, 3), 1e-3 }},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t, c.dim, c.change)
			best := math.Inf(1)
			for range c.generations {
				if best = math.Min(best, generation(t, x, c.f)); best < 1e-8 {
					return
				}
			}
			t.Errorf("after %d generations %g is the best", c.generations, best)
		})
	}
}

func TestAskIsAFunctionOfSeedGenerationAndIndex(t *testing.T) {
	a, b := start(t, 6, nil), start(t, 6, nil)
	assert.Equal(t, a.Ask(), b.Ask())
	assert.Equal(t, a.Ask(), a.Ask(), "asking changes nothing")
	assert.Equal(t, a.Ask()[3], b.Candidate(3), "a lost candidate can be had alone")

	seen := map[float64]bool{}
	for range 3 {
		for _, v := range a.Ask() {
			assert.False(t, seen[v[0]], "no two candidates share their randomness")
			seen[v[0]] = true
		}
		generation(t, a, sphere)
	}
	other := start(t, 6, func(o *Options) { o.Seed = 2 })
	assert.NotEqual(t, b.Ask(), other.Ask())
}

func TestCandidatesAreNormallyDistributed(t *testing.T) {
	x := start(t, 2, func(o *Options) { o.Mean, o.Sigma, o.Population = fill(2, 3), 2, 4000 })
	var sum, squares, product float64
	for _, v := range x.Ask() {
		a, b := (v[0]-3)/2, (v[1]-3)/2
		sum, squares, product = sum+a+b, squares+a*a+b*b, product+a*b
	}
	assert.InDelta(t, 0, sum/8000, 0.04)
	assert.InDelta(t, 1, squares/8000, 0.06)
	assert.InDelta(t, 0, product/4000, 0.06)
}

func TestCandidatesStayInTheBox(t *testing.T) {
	for name, sigma := range map[string]float64{"mostly inside": 0.2, "hopelessly wide": 1e6} {
		t.Run(name, func(t *testing.T) {
			x := start(t, 5, func(o *Options) { o.Sigma, o.Lower, o.Upper = sigma, fill(5, 0.25), fill(5, 1) })
			for range 5 {
				for _, v := range x.Ask() {
					for _, p := range v {
						assert.True(t, p >= 0.25 && p <= 1, "%g", p)
					}
				}
				generation(t, x, sphere)
			}
		})
	}
}

func TestAStateOnPaperGoesOnBitForBit(t *testing.T) {
	straight := start(t, 7, func(o *Options) { o.Lower, o.Upper = fill(7, -1), fill(7, 1); o.Seed = math.MaxUint64 })
	broken := start(t, 7, func(o *Options) { o.Lower, o.Upper = fill(7, -1), fill(7, 1); o.Seed = math.MaxUint64 })
	for range 60 {
		data, err := json.Marshal(broken)
		require.NoError(t, err)
		broken = new(Optimizer)
		require.NoError(t, json.Unmarshal(data, broken))
		require.Equal(t, straight.Ask(), broken.Ask())
		require.Equal(t, straight.ShouldStop(), broken.ShouldStop())
		generation(t, straight, rosenbrock)
		generation(t, broken, rosenbrock)
	}
	a, _ := json.Marshal(straight)
	b, _ := json.Marshal(broken)
	assert.Equal(t, string(a), string(b))
}

func TestDamagedStatesAreRefused(t *testing.T) {
	x := start(t, 2, nil)
	generation(t, x, sphere)
	good, err := json.Marshal(x)
	require.NoError(t, err)
	for name, change := range map[string]func(m map[string]any){
		"unknown key":          func(m map[string]any) { m["extra"] = 1 },
		"no options":           func(m map[string]any) { delete(m, "options") },
		"short mean":           func(m map[string]any) { m["mean"] = []float64{1} },
		"short covariance":     func(m map[string]any) { m["c"] = []float64{1, 0} },
		"negative variance":    func(m map[string]any) { m["c"] = []float64{-1, 0, 1} },
		"no sigma":             func(m map[string]any) { m["sigma"] = 0 },
		"negative generation":  func(m map[string]any) { m["generation"] = -1 },
		"history of one end":   func(m map[string]any) { delete(m, "best") },
		"mean of another type": func(m map[string]any) { m["mean"] = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			var m map[string]any
			require.NoError(t, json.Unmarshal(good, &m))
			change(m)
			data, err := json.Marshal(m)
			require.NoError(t, err)
			assert.Equal(t, fault.Damaged, fault.CodeOf(new(Optimizer).UnmarshalJSON(data)))
		})
	}
}

func TestWhatIsNotANumberRanksLast(t *testing.T) {
	inf := math.Inf(1)
	assert.Equal(t, []int{3, 1, 0, 2, 4}, rank([]float64{math.NaN(), 5, inf, -2, -inf}))

	bad, worse := start(t, 3, nil), start(t, 3, nil)
	xs := bad.Ask()
	a, b := make([]float64, len(xs)), make([]float64, len(xs))
	for i := range xs {
		a[i], b[i] = float64(i), float64(i)
	}
	a[len(a)-1], b[len(b)-1] = math.NaN(), 1e300
	require.NoError(t, bad.Tell(xs, a))
	require.NoError(t, worse.Tell(xs, b))
	assert.Equal(t, worse.Ask(), bad.Ask())

	for range 30 { // a search in which nothing ever works stays a search
		require.NoError(t, bad.Tell(bad.Ask(), fill(len(xs), math.NaN())))
	}
	_, err := json.Marshal(bad)
	require.NoError(t, err)
}

func TestACloneIsIndependent(t *testing.T) {
	x := start(t, 3, nil)
	generation(t, x, sphere)
	before, _ := json.Marshal(x)
	generation(t, x.Clone(), sphere)
	after, _ := json.Marshal(x)
	assert.Equal(t, string(before), string(after))
}

func TestTellRefusesWhatIsNotAGenerationAndChangesNothing(t *testing.T) {
	x := start(t, 3, nil)
	before, _ := json.Marshal(x)
	xs, fs := x.Ask(), make([]float64, x.Population())
	assert.Error(t, x.Tell(xs[1:], fs[1:]))
	assert.Error(t, x.Tell(xs, fs[1:]))
	xs[0] = []float64{1, 2}
	assert.Error(t, x.Tell(xs, fs))
	xs[0] = []float64{1, 2, math.NaN()}
	assert.Error(t, x.Tell(xs, fs))
	after, _ := json.Marshal(x)
	assert.Equal(t, string(before), string(after))
}

func TestShouldStopSaysWhy(t *testing.T) {
	for want, c := range map[StopReason]struct {
		change func(*Options)
		f      func([]float64) float64
	}{
		FlatFitness: {nil, func([]float64) float64 { return 1 }},
		Converged:   {nil, func(x []float64) float64 { return 1e6 * norm(x) }},
		Diverged:    {nil, func(x []float64) float64 { return x[0] }},
		NoEffect: {func(o *Options) { o.Mean = fill(3, 1e6); o.Sigma = 1e-8 }, func(x []float64) float64 {
			return math.Abs(x[0]-1e6) + math.Abs(x[1]-1e6) + math.Abs(x[2]-1e6)
		}},
	} {
		t.Run(string(want), func(t *testing.T) {
			x := start(t, 3, c.change)
			for range 1000 {
				if reason := x.ShouldStop(); reason != "" {
					assert.Equal(t, want, reason)
					return
				}
				generation(t, x, c.f)
			}
			t.Error("it never stopped")
		})
	}
	assert.Empty(t, start(t, 3, nil).ShouldStop())
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"no parameters":           {Sigma: 1},
		"too many parameters":     {Dim: MaxDim + 1, Sigma: 1},
		"mean of another length":  {Dim: 2, Mean: fill(3, 0), Sigma: 1},
		"mean not a number":       {Mean: fill(3, math.NaN()), Sigma: 1},
		"no sigma":                {Mean: fill(3, 0)},
		"sigma not a number":      {Mean: fill(3, 0), Sigma: math.NaN()},
		"population of one":       {Mean: fill(3, 0), Sigma: 1, Population: 1},
		"population too large":    {Mean: fill(3, 0), Sigma: 1, Population: MaxPopulation + 1},
		"one bound":               {Mean: fill(3, 0), Sigma: 1, Lower: fill(3, -1)},
		"mean outside":            {Mean: fill(3, 2), Sigma: 1, Lower: fill(3, -1), Upper: fill(3, 1)},
		"unknown covariance":      {Mean: fill(3, 0), Sigma: 1, Covariance: "round"},
		"too many for a diagonal": {Dim: MaxDiagonalDim + 1, Sigma: 1, Covariance: Diagonal},
		"too many for rates":      {Dim: MaxAdaptedDim + 1, Sigma: 1, AdaptRates: true},
		"rates of a diagonal":     {Mean: fill(3, 0), Sigma: 1, Covariance: Diagonal, AdaptRates: true},
		"levels without bounds":   {Mean: fill(3, 0), Sigma: 1, Levels: []int{2, 2, 2}},
		"levels of others":        {Mean: fill(3, 0), Sigma: 1, Levels: []int{2}, Lower: fill(3, -1), Upper: fill(3, 1)},
		"negative levels":         {Mean: fill(1, 0), Sigma: 1, Levels: []int{-1}, Lower: fill(1, -1), Upper: fill(1, 1)},
		"too many levels":         {Mean: fill(1, 0), Sigma: 1, Levels: []int{MaxLevels + 1}, Lower: fill(1, -1), Upper: fill(1, 1)},
		"no room":                 {Mean: fill(3, 1), Sigma: 1, Lower: fill(3, 1), Upper: fill(3, 1)},
	} {
		_, err := New(o)
		assert.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	assert.Equal(t, []int{4, 6, 7, 12}, []int{DefaultPopulation(1), DefaultPopulation(2), DefaultPopulation(3), DefaultPopulation(18)})
}
