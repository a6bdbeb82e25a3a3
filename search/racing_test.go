package search

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// slope is a landscape on which a candidate solves the more problems the closer it
// is to a summit.
func slope(weights []float64, _ task.Split, n int) bool {
	return math.Hypot(weights[0]-1.1, weights[1]-0.4) < float64(n+1)/searchProblems
}

// race runs a search on the slope, and gives its result and how many search problems
// were asked.
func race(t *testing.T, spec Spec, width int) (result, Search, int) {
	t.Helper()
	w := newWorld(t)
	w.lab.solves, w.lab.width = slope, width
	id := w.launch(t, spec)
	s := w.done(t, id)
	asked := 0
	for _, q := range w.lab.questions(task.Search) {
		asked += len(strings.Fields(q.problems))
	}
	return w.found(t, id), s, asked
}

// longRace is a search of so many trials that a race is worth it.
func longRace(change ...func(*Spec)) Spec {
	return small(append([]func(*Spec){func(s *Spec) { s.Trials, s.Population = 80, 8 }}, change...)...)
}

func TestARaceFindsTheSameWinnerWithFewerProblems(t *testing.T) {
	random := func(s *Spec) { s.Optimizer.Name = Random }
	full, _, all := race(t, longRace(random), 1)
	require.Equal(t, 80*searchProblems, all)
	for name, c := range map[string]struct {
		racing Racing
		share  float64 // of the problems, at most
	}{
		"normal":            {Racing{Block: 2}, 0.6},
		"hoeffding":         {Racing{Block: 2, Bound: HoeffdingBound}, 0.8},
		"for the selection": {Racing{Block: 2, Against: RivalSelection}, 0.9},
	} {
		fast, s, asked := race(t, longRace(random, func(s *Spec) { s.Racing = &c.racing }), 1)
		sameJSON(t, full.Winner, fast.Winner)
		assert.Less(t, float64(asked), c.share*float64(all), name)
		t.Logf("%s: %d of %d problems asked, %d candidates stopped", name, asked, all, s.Progress.StoppedEarly)
		stopped, done := 0, 0
		for i, trial := range fast.Trials {
			if trial.Asked == 0 {
				sameJSON(t, full.Trials[i].Score, trial.Score)
				assert.Equal(t, full.Trials[i].Outcomes, trial.Outcomes)
				done++
				continue
			}
			stopped++
			assert.Equal(t, trial.Asked, trial.Score.Problems)
			assert.Equal(t, searchProblems-trial.Asked, strings.Count(trial.Outcomes, "-"))
			assert.Less(t, full.Trials[i].Fitness, s.Progress.Best.Fitness, "who was stopped was none that would have won")
		}
		assert.Equal(t, s.Progress.StoppedEarly, stopped)
		assert.GreaterOrEqual(t, done, 8, "nobody races in the first generation")
	}
}

func TestARaceIsTheSameHoweverManyRunAtOnce(t *testing.T) {
	spec := longRace(func(s *Spec) { s.Racing = &Racing{Block: 3} })
	alone, _, asked := race(t, spec, 1)
	together, _, _ := race(t, spec, 4)
	require.Less(t, asked, 80*searchProblems)
	sameJSON(t, alone, together)
}

func TestARaceIsTheSameAfterARestart(t *testing.T) {
	spec := longRace(func(s *Spec) { s.Racing = &Racing{Block: 3} })
	want, _, _ := race(t, spec, 1)
	w := newWorld(t)
	w.lab.solves = slope
	id := w.launchUntil(t, spec, task.Search, 40)
	w = w.reopen(t)
	w.done(t, id)
	sameJSON(t, want, w.found(t, id))
}

func TestSamplesOfAStoppedTrialAreThoseOfTheProblemsAsked(t *testing.T) {
	w := newWorld(t)
	w.lab.solves = slope
	id := w.launch(t, longRace(func(s *Spec) { s.Racing = &Racing{Block: 2} }))
	w.done(t, id)
	for _, trial := range w.tried(t, id) {
		if trial.DuplicateOf == nil {
			samples, err := w.Samples(t.Context(), id, trial.Number)
			require.NoError(t, err)
			require.Len(t, samples, trial.Score.Problems)
		}
	}
}

func TestHowMuchIsInReach(t *testing.T) {
	zeros, half := make([]float64, 10), []float64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}
	for name, c := range map[string]struct {
		racing Racing
		values []float64
		all    int
		most   float64
		want   float64
	}{
		"hoeffding":                   {Racing{Bound: HoeffdingBound}, zeros, 1000, 1, math.Sqrt((1 - 9.0/1000) * math.Log(20) / 20)},
		"hoeffding on a longer scale": {Racing{Bound: HoeffdingBound}, half, 1000, 1.5, 0.5 + 1.5*math.Sqrt((1-9.0/1000)*math.Log(20)/20)},
		"few are left":                {Racing{Bound: HoeffdingBound}, zeros, 11, 1, 1.0 / 11},
		"normal, nothing right":       {Racing{}, zeros, 1000, 1, 1.0/12 + 1.6448536*math.Sqrt((1-9.0/1000)*(1.0/12-1.0/144)/12)},
		"normal, half right":          {Racing{}, half, 1000, 1, 0.5 + 1.6448536*math.Sqrt((1-9.0/1000)*0.25/12)},
		"the surer the further":       {Racing{Confidence: 0.99}, half, 1000, 1, 0.5 + 2.3263479*math.Sqrt((1-9.0/1000)*0.25/12)},
	} {
		assert.InDelta(t, c.want, c.racing.withDefaults().reach(c.values, c.all, c.most), 1e-6, name)
	}
}

func TestWhoIsWrongAboutRacing(t *testing.T) {
	for name, c := range map[string]struct{ racing, param string }{
		"blocks of less than nothing": {`"racing": {"block": -1}`, "racing.block"},
		"no confidence":               {`"racing": {"confidence": 0.3}`, "racing.confidence"},
		"certainty":                   {`"racing": {"confidence": 1}`, "racing.confidence"},
		"a bound":                     {`"racing": {"bound": "chernoff"}`, "racing.bound"},
		"a rival":                     {`"racing": {"against": "worst"}`, "racing.against"},
		"a key":                       {`"racing": {"speed": 2}`, "speed"},
		"objectives":                  {`"racing": {}, "objectives": [{"task": "sums"}]`, "racing"},
	} {
		_, err := ParseSpec([]byte(`{"task": "sums", "base": "base", "sources": ["ja"], ` + c.racing + `}`))
		var e *fault.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, c.param, e.Param, "%s: %v", name, err)
	}
}
