package cmaes

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// rastrigin has a local minimum at every point of a grid; its best is at 0.
func rastrigin(x []float64) float64 {
	sum := 10 * float64(len(x))
	for _, v := range x {
		sum += v*v - 10*math.Cos(2*math.Pi*v)
	}
	return sum
}

func restarting(t *testing.T, policy Policy) *Restarts {
	t.Helper()
	r, err := NewRestarts(Options{
		Mean: fill(4, 3.1), Sigma: 0.5, Population: 6, Seed: 3, Lower: fill(4, -5), Upper: fill(4, 5),
	}, policy, 7)
	require.NoError(t, err)
	return r
}

func (r *Restarts) step(t *testing.T, f func([]float64) float64) (best float64) {
	t.Helper()
	xs := r.Ask()
	fitness := make([]float64, len(xs))
	best = math.Inf(1)
	for i, v := range xs {
		fitness[i] = f(v)
		best = math.Min(best, fitness[i])
	}
	require.NoError(t, r.Tell(xs, fitness))
	return best
}

func TestRestartsLeaveLocalMinima(t *testing.T) {
	alone, err := New(restarting(t, IPOP).options)
	require.NoError(t, err)
	stuck := math.Inf(1)
	for alone.ShouldStop() == "" {
		stuck = math.Min(stuck, generation(t, alone, rastrigin))
	}
	require.Greater(t, stuck, 0.9, "one run ends in a local minimum")

	for _, policy := range []Policy{IPOP, BIPOP} {
		t.Run(string(policy), func(t *testing.T) {
			r := restarting(t, policy)
			best := math.Inf(1)
			for range 5000 {
				if best = math.Min(best, r.step(t, rastrigin)); best < 1e-8 {
					require.Positive(t, r.Runs())
					return
				}
			}
			t.Errorf("after %d runs %g is the best", r.Runs(), best)
		})
	}
}

// The population by run, as in the authors' descriptions: IPOP doubles it; BIPOP
// gives runs to the kind that has had fewer evaluations.
func TestPlansOfRuns(t *testing.T) {
	first := Options{Dim: 2, Mean: fill(2, 0.5), Sigma: 1, Population: 6, Seed: 5}
	p := plan{Policy: IPOP, Most: 3, Small: true}
	var populations []int
	for p.more() {
		var o Options
		p, o = p.after(10, 10*first.Population, first)
		populations = append(populations, o.Population)
	}
	assert.Equal(t, []int{12, 24, 48}, populations)
	assert.Equal(t, 30, p.Generations)

	p = plan{Policy: BIPOP, Most: 4, Small: true}
	o, seeds := first, map[uint64]bool{}
	for p.more() {
		before := p
		p, o = p.after(10, 10*o.Population, first)
		assert.False(t, seeds[o.Seed], "each run has random numbers of its own")
		seeds[o.Seed] = true
		if p.Small {
			assert.Less(t, p.SpentSmall, p.SpentLarge)
			assert.GreaterOrEqual(t, o.Population, first.Population)
			assert.LessOrEqual(t, o.Population, first.Population<<p.Doublings)
			assert.True(t, o.Sigma <= first.Sigma && o.Sigma >= first.Sigma/100)
			assert.Equal(t, before.Doublings, p.Doublings)
		} else {
			assert.GreaterOrEqual(t, p.SpentSmall, p.SpentLarge)
			assert.Equal(t, first.Population<<p.Doublings, o.Population)
			assert.Equal(t, before.Doublings+1, p.Doublings)
		}
	}
	assert.Greater(t, p.Run, 4, "small runs don't count")
}

func TestRestartsOnPaperGoOnBitForBit(t *testing.T) {
	for _, policy := range []Policy{IPOP, BIPOP} {
		straight, broken := restarting(t, policy), restarting(t, policy)
		for straight.Runs() < 3 {
			data, err := json.Marshal(broken)
			require.NoError(t, err)
			broken = new(Restarts)
			require.NoError(t, json.Unmarshal(data, broken))
			require.Equal(t, straight.Ask(), broken.Ask())
			require.Equal(t, straight.Generation(), broken.Generation())
			before := straight.Generation()
			straight.step(t, rastrigin)
			broken.step(t, rastrigin)
			require.Equal(t, before+1, straight.Generation())
		}
	}
}

func TestRestartsEndAfterTheLast(t *testing.T) {
	r, err := NewRestarts(Options{Mean: fill(2, 0.5), Sigma: 0.2, Seed: 1}, IPOP, 1)
	require.NoError(t, err)
	for range 1000 {
		if r.ShouldStop() != "" {
			break
		}
		r.step(t, func([]float64) float64 { return 1 })
	}
	assert.Equal(t, FlatFitness, r.ShouldStop())
	assert.Equal(t, 1, r.Runs())
	assert.Equal(t, 2*DefaultPopulation(2), r.Population())
}

func TestRestartsCheckWhatTheyAreGiven(t *testing.T) {
	o := Options{Mean: fill(2, 0.5), Sigma: 0.2}
	for name, c := range map[string]struct {
		policy Policy
		most   int
	}{"unknown policy": {"jpop", 1}, "none": {IPOP, 0}, "too many": {IPOP, MaxRestarts + 1}} {
		_, err := NewRestarts(o, c.policy, c.most)
		assert.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	r, err := NewRestarts(o, BIPOP, MaxRestarts)
	require.NoError(t, err)
	good, err := json.Marshal(r)
	require.NoError(t, err)
	for name, change := range map[string]func(m map[string]any){
		"no run":         func(m map[string]any) { delete(m, "run") },
		"unknown key":    func(m map[string]any) { m["extra"] = 1 },
		"unknown policy": func(m map[string]any) { m["plan"].(map[string]any)["policy"] = "x" },
		"negative":       func(m map[string]any) { m["plan"].(map[string]any)["run"] = -1 },
	} {
		var m map[string]any
		require.NoError(t, json.Unmarshal(good, &m))
		change(m)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		assert.Equal(t, fault.Damaged, fault.CodeOf(new(Restarts).UnmarshalJSON(data)), name)
	}
}
