package elites

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// peaks has a specialist for each of two values, and a compromise between them.
func peaks(v []float64) []float64 {
	near := func(x, y float64) float64 { return math.Max(0, 1-math.Hypot(v[0]-x, v[1]-y)) }
	return []float64{near(0.9, 0.1), near(0.1, 0.9)}
}

func start(t *testing.T, change func(*Options)) *Optimizer {
	t.Helper()
	o := Options{Start: []float64{0.5, 0.5}, Objectives: 2, Cycle: true, Population: 12, Seed: 3}
	if change != nil {
		change(&o)
	}
	x, err := New(o)
	require.NoError(t, err)
	return x
}

func next(t *testing.T, x *Optimizer, f func([]float64) []float64) *Optimizer {
	t.Helper()
	var genomes, values [][]float64
	for i := range x.Population() {
		genomes = append(genomes, x.Candidate(i))
		values = append(values, f(genomes[i]))
	}
	x, err := x.Told(genomes, values)
	require.NoError(t, err)
	return x
}

func TestCyclesFindASpecialistForEachValue(t *testing.T) {
	x := start(t, nil)
	for range 60 {
		x = next(t, x, peaks)
	}
	archives := x.Archives()
	require.Len(t, archives, 2)
	for quality, cells := range archives {
		best := 0.0
		for _, c := range cells {
			best = math.Max(best, c.Values[quality])
			require.Equal(t, peaks(c.Genome), c.Values)
			require.Equal(t, -1, c.Bins[quality])
			require.Equal(t, int(c.Values[1-quality]*DefaultBins), c.Bins[1-quality])
		}
		require.Greater(t, best, 0.95)
		require.Greater(t, len(cells), 7, "it covers the kinds between")
	}
}

func TestOneArchiveHasTheFirstValueAsItsQuality(t *testing.T) {
	x := start(t, func(o *Options) { o.Cycle, o.Bins = false, 4 })
	for range 20 {
		x = next(t, x, peaks)
	}
	archives := x.Archives()
	require.Len(t, archives, 1)
	var bins []int
	for _, c := range archives[0] {
		require.Equal(t, -1, c.Bins[0])
		bins = append(bins, c.Bins[1])
	}
	require.Equal(t, []int{0, 1, 2, 3}, bins)
}

func TestAnArchiveKeepsTheBestOfEachKind(t *testing.T) {
	var a archive
	for n, values := range [][]float64{{0.5, 0.1}, {0.4, 0.15}, {0.6, 0.12}, {0.2, 0.99}, {0.6, 0.11}, {0.1, 1}, {2, -3}} {
		a = a.offered(0, Cell{Number: n, Values: values}, 4)
	}
	var numbers []int
	for _, c := range a {
		numbers = append(numbers, c.Number)
	}
	require.Equal(t, []int{6, 3}, numbers, "in the order of the bins; equals stay; what lies outside is in the last bin")
}

func TestParentsAreChosenByTheirValues(t *testing.T) {
	a := archive{{Values: []float64{0, 1}}, {Values: []float64{1, 1}}, {Values: []float64{0.5, 1}}}
	require.InDeltaSlice(t, []float64{0.5 * 0.65, 0.8 * 0.65, 0.65 * 0.65}, a.chances(), 1e-12)
}

func TestCandidatesAreAFunctionOfTheState(t *testing.T) {
	x := start(t, func(o *Options) { o.Levels = []int{0, 5} })
	require.Equal(t, []float64{0.5, 0.5}, x.Candidate(0))
	for range 12 {
		data, err := json.Marshal(x)
		require.NoError(t, err)
		again := new(Optimizer)
		require.NoError(t, json.Unmarshal(data, again))
		seen := map[float64]bool{}
		for i := range x.Population() {
			v := x.Candidate(i)
			require.Equal(t, v, again.Candidate(i))
			require.True(t, v[0] >= 0 && v[0] <= 1)
			require.Contains(t, []float64{0, 0.25, 0.5, 0.75, 1}, v[1])
			seen[v[0]] = true
		}
		require.Greater(t, len(seen), x.Population()/2)
		x = next(t, x, peaks)
		written, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(data), string(written))
	}
}

// Mixing genomes mixes task vectors: a child without mutation lies between its
// parents.
func TestChildrenLieBetweenTheirParents(t *testing.T) {
	x := start(t, func(o *Options) { o.Mutation = 1e-6 })
	n := 0
	x = next(t, x, func([]float64) []float64 { n++; return []float64{float64(n%2) * 0.9, float64(n%2) * 0.9} })
	cells := x.Archives()[x.Generation()%2]
	require.Len(t, cells, 2)
	middle := (cells[0].Genome[0] + cells[1].Genome[0]) / 2
	ends := []float64{cells[0].Genome[0], cells[1].Genome[0], middle}
	for i := range x.Population() {
		v := x.Candidate(i)[0]
		require.True(t, slices.ContainsFunc(ends, func(e float64) bool { return math.Abs(e-v) < 0.05 }), "%g of %v", v, ends)
	}
}

func TestWhatFailedIsInNoArchive(t *testing.T) {
	x := next(t, start(t, nil), func([]float64) []float64 { return nil })
	require.Empty(t, x.Archives()[0])
	require.NotEqual(t, x.Candidate(0), x.Candidate(1), "it goes on at random")
	x = next(t, x, peaks)
	for _, c := range x.Archives()[0] {
		require.GreaterOrEqual(t, c.Number, 12)
	}
}

func TestOptionsAndStatesAreChecked(t *testing.T) {
	good := Options{Start: []float64{0.5, 0.5}, Objectives: 2}
	for name, change := range map[string]func(*Options){
		"no parameters":        func(o *Options) { o.Start = nil },
		"too many parameters":  func(o *Options) { o.Start = make([]float64, MaxDim+1) },
		"start outside":        func(o *Options) { o.Start = []float64{-1} },
		"levels of others":     func(o *Options) { o.Levels = []int{1} },
		"one objective":        func(o *Options) { o.Objectives = 1 },
		"too many objectives":  func(o *Options) { o.Objectives = MaxObjectives + 1 },
		"population of one":    func(o *Options) { o.Population = 1 },
		"population too large": func(o *Options) { o.Population = MaxPopulation + 1 },
		"one bin":              func(o *Options) { o.Bins = 1 },
		"too many bins":        func(o *Options) { o.Bins = MaxBins + 1 },
		"step too large":       func(o *Options) { o.Step = 1.1 },
		"mutation too likely":  func(o *Options) { o.Mutation = 1.1 },
	} {
		o := good
		change(&o)
		_, err := New(o)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	x := next(t, start(t, nil), peaks)
	_, err := x.Told(nil, nil)
	require.Error(t, err)
	data, err := json.Marshal(x)
	require.NoError(t, err)
	for name, change := range map[string]func(m map[string]any){
		"unknown key":         func(m map[string]any) { m["extra"] = 1 },
		"no options":          func(m map[string]any) { delete(m, "options") },
		"negative generation": func(m map[string]any) { m["generation"] = -1 },
		"no archives":         func(m map[string]any) { delete(m, "archives") },
		"cells elsewhere":     func(m map[string]any) { slices.Reverse(m["archives"].([]any)[0].([]any)) },
		"no genome":           func(m map[string]any) { delete(m["archives"].([]any)[0].([]any)[0].(map[string]any), "genome") },
	} {
		var m map[string]any
		require.NoError(t, json.Unmarshal(data, &m))
		change(m)
		damaged, err := json.Marshal(m)
		require.NoError(t, err)
		require.Equal(t, fault.Damaged, fault.CodeOf(new(Optimizer).UnmarshalJSON(damaged)), name)
	}
}
