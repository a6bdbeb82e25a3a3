package nsga2

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/pareto"
)

// zdt1 has its front where all coordinates but the first are 0: there the second
// value is the root of the first, negative as all is that is to be minimised.
func zdt1(v []float64) []float64 {
	var sum float64
	for _, x := range v[1:] {
		sum += x
	}
	g := 1 + 9*sum/float64(len(v)-1)
	return []float64{-v[0], -g * (1 - math.Sqrt(v[0]/g))}
}

func start(t *testing.T, dim int, change func(*Options)) *Optimizer {
	t.Helper()
	o := Options{Start: slices.Repeat([]float64{0.5}, dim), Objectives: 2, Population: 40, Seed: 3}
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

func TestConvergesOnZDT1(t *testing.T) {
	x := start(t, 12, nil)
	for range 150 {
		x = next(t, x, zdt1)
	}
	front := x.Front()
	require.Greater(t, len(front), 30)
	var values [][]float64
	for _, m := range front {
		values = append(values, m.Values)
	}
	// With the reference (-1.1, -1.1) the whole front covers 0.21 + 2/3.
	covered := pareto.Hypervolume(values, []float64{-1.1, -1.1})
	t.Logf("hypervolume %.4f of %.4f", covered, 0.21+2.0/3)
	require.Greater(t, covered, 0.85) // pymoo, with as many evaluations and the same settings: 0.858 to 0.861
	require.Less(t, covered, 0.21+2.0/3)
}

func TestCandidatesAreAFunctionOfTheState(t *testing.T) {
	x := start(t, 5, func(o *Options) { o.Levels = []int{0, 0, 2, 5, 0} })
	require.Equal(t, slices.Repeat([]float64{0.5}, 2), x.Candidate(0)[:2])
	for range 10 {
		data, err := json.Marshal(x)
		require.NoError(t, err)
		again := new(Optimizer)
		require.NoError(t, json.Unmarshal(data, again))
		seen := map[float64]bool{}
		for i := range x.Population() {
			v := x.Candidate(i)
			require.Equal(t, v, again.Candidate(i))
			for _, c := range v {
				require.True(t, c >= 0 && c <= 1)
			}
			require.Contains(t, []float64{0, 1}, v[2])
			require.Contains(t, []float64{0, 0.25, 0.5, 0.75, 1}, v[3])
			seen[v[0]] = true
		}
		require.Greater(t, len(seen), x.Population()/4)
		x = next(t, x, zdt1)
		written, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(data), string(written))
	}
}

func TestWhatFailedDoesNotSurvive(t *testing.T) {
	x := start(t, 3, func(o *Options) { o.Population = 4 })
	x = next(t, x, func([]float64) []float64 { return nil })
	require.Empty(t, x.Front())
	require.NotEqual(t, x.Candidate(0), x.Candidate(1), "it goes on at random")
	n := 0
	x = next(t, x, func(v []float64) []float64 {
		if n++; n == 2 {
			return nil
		}
		return zdt1(v)
	})
	require.Len(t, x.s.Survivors, 3)
	var numbers []int
	for _, m := range x.s.Survivors {
		numbers = append(numbers, m.Number)
	}
	require.ElementsMatch(t, []int{4, 6, 7}, numbers)
}

func TestSurvivorsAreTheBestFrontsAndTheLoneliest(t *testing.T) {
	pool := []Member{
		{Number: 0, Values: []float64{0, 1}}, {Number: 1, Values: []float64{0.5, 0.5}}, {Number: 2, Values: []float64{0.52, 0.48}},
		{Number: 3, Values: []float64{1, 0}}, {Number: 4, Values: []float64{0.1, 0.1}}, {Number: 5, Values: []float64{0.8, 0.2}},
	}
	numbers := func(n int) (all []int) {
		for _, m := range survivors(pool, n) {
			all = append(all, m.Number)
		}
		slices.Sort(all)
		return all
	}
	require.Equal(t, []int{0, 3}, numbers(2))
	require.Equal(t, []int{0, 1, 3}, numbers(3))
	require.Equal(t, []int{0, 1, 2, 3, 5}, numbers(5))
	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, numbers(9))
}

func TestChildrenLieAroundTheirParents(t *testing.T) {
	x := start(t, 1, nil)
	x = next(t, x, func(v []float64) []float64 { return []float64{v[0], -v[0]} }) // all survive
	var sum float64
	for i := range x.Population() {
		sum += x.Candidate(i)[0]
	}
	require.InDelta(t, 0.5, sum/float64(x.Population()), 0.15)
}

func TestOptionsAndStatesAreChecked(t *testing.T) {
	good := Options{Start: []float64{0.5, 0.5}, Objectives: 2}
	for name, change := range map[string]func(*Options){
		"no parameters":        func(o *Options) { o.Start = nil },
		"too many parameters":  func(o *Options) { o.Start = make([]float64, MaxDim+1) },
		"start outside":        func(o *Options) { o.Start = []float64{2} },
		"levels of others":     func(o *Options) { o.Levels = []int{1} },
		"no objectives":        func(o *Options) { o.Objectives = 0 },
		"too many objectives":  func(o *Options) { o.Objectives = MaxObjectives + 1 },
		"population of one":    func(o *Options) { o.Population = 1 },
		"population too large": func(o *Options) { o.Population = MaxPopulation + 1 },
		"too many numbers":     func(o *Options) { o.Start, o.Population = make([]float64, MaxDim), MaxPopulation },
		"crossover above one":  func(o *Options) { o.Crossover = 1.1 },
		"negative mutation":    func(o *Options) { o.Mutation = -1 },
		"eta too large":        func(o *Options) { o.CrossoverEta = MaxEta + 1 },
		"eta not a number":     func(o *Options) { o.MutationEta = math.NaN() },
	} {
		o := good
		change(&o)
		_, err := New(o)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	x, err := New(good)
	require.NoError(t, err)
	_, err = x.Told(nil, nil)
	require.Error(t, err)
	for _, damaged := range []string{
		`{}`, `[]`, `{"options":{"start":[0.5],"objectives":1,"population":4,"crossover":1,"crossover_eta":1,"mutation":1,"mutation_eta":1,"seed":1},"generation":-1,"asked":0,"survivors":null}`,
		`{"options":{"start":[0.5],"objectives":1,"population":4},"generation":1,"asked":4,"survivors":[{"number":0,"genome":[],"values":[1]}]}`,
		`{"options":{"start":[0.5],"objectives":1,"population":4},"extra":1}`,
	} {
		require.Equal(t, fault.Damaged, fault.CodeOf(new(Optimizer).UnmarshalJSON([]byte(damaged))), damaged)
	}
}
