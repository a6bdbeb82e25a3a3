package search

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// ways are searches with each optimizer, as changes of small.
var ways = map[string]func(*Spec){
	"cma_es":            func(*Spec) {},
	"cma_es, diagonal":  func(s *Spec) { s.Optimizer.Options.Covariance = "diagonal" },
	"cma_es, rates":     func(s *Spec) { s.Optimizer.Options.AdaptRates = true },
	"cma_es, levels":    func(s *Spec) { s.Optimizer.Options.Levels = []int{0, 9} },
	"cma_es, ipop":      func(s *Spec) { s.Optimizer.Options.Restarts = "ipop" },
	"cma_es, restarted": func(s *Spec) { s.Optimizer.Options.Restarts, s.WeightRange, s.Trials = "bipop", Range{1e-4, 2e-4}, 120 },
	"random":            func(s *Spec) { s.Optimizer.Name = Random },
	"grid":              func(s *Spec) { s.Optimizer.Name = Grid; s.Optimizer.Options.Levels = []int{5, 4} },
	"cma_es, two tasks": twoTasks(CMAES),
	"nsga2":             twoTasks(NSGA2),
	"map_elites":        twoTasks(MAPElites),
	"cycle_qd":          twoTasks(CycleQD),
}

// twoTasks makes a search one for two tasks that can't both be solved.
func twoTasks(name OptimizerName) func(*Spec) {
	return func(s *Spec) {
		s.Task, s.Optimizer.Name = "", name
		s.Objectives = []Objective{{Task: "sums"}, {Task: "words", Weight: 2}}
	}
}

// requireProperties requires what the service relies on: that proposals are a
// function of what is stored, and that telling leaves the teller alone.
func requireProperties(t *testing.T, spec Spec, opt Optimizer) {
	t.Helper()
	for generation := range 6 {
		require.Equal(t, generation, opt.Generation())
		var scored []Scored
		for i := range opt.Population() {
			genome := opt.Candidate(i)
			require.Equal(t, genome, opt.Candidate(i), "asking changes nothing")
			for _, v := range genome {
				require.True(t, v >= 0 && v <= 1, "%g is outside the cube", v)
			}
			scored = append(scored, Scored{Genome: genome, Fitness: genome[0], Values: genome[:len(spec.objectives())], Failed: i == 1})
		}
		_, err := opt.Told(scored[1:])
		require.Error(t, err, "half a generation is none")
		before, err := json.Marshal(opt)
		require.NoError(t, err)
		next, err := opt.Told(scored)
		require.NoError(t, err)
		after, err := json.Marshal(opt)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "telling makes another one")

		data, err := json.Marshal(next)
		require.NoError(t, err)
		restored, err := spec.Optimizer.restore(data)
		require.NoError(t, err)
		require.Equal(t, next, restored)
		if opt = restored; opt.ShouldStop() != "" || opt.Population() == 0 {
			return
		}
	}
}

func TestEveryOptimizerIsAFunctionOfItsState(t *testing.T) {
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			spec := small(change).WithDefaults()
			require.NoError(t, spec.Validate())
			space, err := NewSpace(spec, []int{4})
			require.NoError(t, err)
			opt, err := spec.optimizer(space)
			require.NoError(t, err)
			requireProperties(t, spec, opt)
			_, err = spec.Optimizer.restore([]byte(`{"surprise":1}`))
			require.Equal(t, fault.Damaged, fault.CodeOf(err))
		})
	}
}

func TestEveryOptimizerFindsAWinnerAndTheSameOneAgain(t *testing.T) {
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launch(t, small(change))
			s := w.done(t, id)
			require.NotNil(t, s.Winner)
			require.NotEmpty(t, s.Progress.Stopped)
			want := w.found(t, id)
			sameJSON(t, want, reference(t, small(change)))
			for i, x := range want.Trials[1:] {
				last := want.Trials[i]
				follows := x.Generation == last.Generation && x.Index == last.Index+1
				begins := x.Generation == last.Generation+1 && x.Index == 0 && last.Ends != nil
				require.True(t, follows || begins, "trial %d", x.Number)
			}
		})
	}
}

func TestEveryOptimizerGoesOnAfterAnAbruptEnd(t *testing.T) {
	places := []string{"inside the first generation", "inside a later generation", "between finalists", "before the test of the winner"}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			whole := newWorld(t)
			id := whole.launch(t, small(change))
			whole.done(t, id)
			want := whole.found(t, id)
			for _, place := range places {
				at := interruptions[place]
				if len(whole.lab.questions(at.split)) < at.n {
					continue // duplicates are not asked
				}
				w := newWorld(t)
				id := w.launchUntil(t, small(change), at.split, at.n)
				later := w.afterKill(t)
				later.done(t, id)
				sameJSON(t, want, later.found(t, id))
				requireGapless(t, later.listen(t, id, 0), 1)
				requireAskedOnce(t, later.lab.questions(""), 0)
			}
		})
	}
}

// afterKill is another process on what this one would leave behind if it were killed
// now.
func (w *world) afterKill(t *testing.T) *world {
	t.Helper()
	data, err := os.ReadFile(w.path)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return openWorld(t, path, w.tasks, newFakeLab())
}

func TestASearchFromBeforeOptimizersCouldBeChosenGoesOn(t *testing.T) {
	body, err := os.ReadFile("testdata/search-before-optimizers.json")
	require.NoError(t, err)
	data, err := os.ReadFile("testdata/trials-before-optimizers.json")
	require.NoError(t, err)
	var trials []json.RawMessage
	require.NoError(t, json.Unmarshal(data, &trials))

	dir := t.TempDir()
	w := idleWorld(t, filepath.Join(dir, "state.db"), writeTask(t, dir), newFakeLab())
	const id = "search-0abb425ca600ca28"
	require.NoError(t, w.bolt.PutSearch(t.Context(), store.Search{ID: id, State: string(Interrupted), Body: body}))
	for n, trial := range trials {
		require.NoError(t, w.bolt.PutTrials(t.Context(), id, "", []store.Trial{{Number: n, Body: trial}}))
	}
	require.NoError(t, w.Start(t.Context()))
	s := w.done(t, id)
	require.Equal(t, CMAES, s.Spec.Optimizer.Name)
	require.Less(t, len(trials), s.Progress.Trials)
	want, got := reference(t, small()), w.found(t, id)
	require.Len(t, got.Trials, len(want.Trials))
	for i, x := range got.Trials { // scores have got more to say since
		require.Equal(t, want.Trials[i].Genome, x.Genome)
		require.InDelta(t, want.Trials[i].Fitness, x.Fitness, 0)
	}
	sameJSON(t, want.Winner.Recipe, got.Winner.Recipe)
}

func TestAGridIsTriedAsAWhole(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(ways["grid"])))
	require.Equal(t, 20, s.Progress.Trials)
	seen := map[[2]float64]bool{}
	for _, x := range w.tried(t, s.ID) {
		seen[[2]float64(x.Genome)] = true
	}
	require.Len(t, seen, 20)

	_, err := w.Launch(t.Context(), small(ways["grid"], func(s *Spec) { s.Trials = 19 }))
	requireBad(t, err, "trials")
	require.ErrorContains(t, err, "20 points")
	_, err = w.Launch(t.Context(), small(ways["grid"], func(s *Spec) { s.Groups = merge.Blocks }))
	requireBad(t, err, "optimizer.options.levels")
	_, err = w.Launch(t.Context(), small(ways["grid"], func(s *Spec) { s.Optimizer.Options.Levels = []int{1000} }))
	requireBad(t, err, "optimizer.options.levels")
	require.ErrorContains(t, err, "1000000 points")
}

func TestASearchThatIsStuckBeginsAnew(t *testing.T) {
	w := newWorld(t)
	w.lab.solves = func([]float64, task.Split, int) bool { return true }
	spec := small(func(s *Spec) {
		s.Optimizer.Options.Restarts, s.Optimizer.Options.MaxRestarts, s.Trials = "ipop", 1, 5000
	})
	s := w.done(t, w.launch(t, spec))
	require.Equal(t, "flat fitness", s.Progress.Stopped)
	sizes := map[int]int{}
	for _, x := range w.tried(t, s.ID) {
		sizes[x.Generation]++
	}
	require.Equal(t, 4, sizes[0])
	require.Equal(t, 8, sizes[s.Progress.Generation-1])
}

func TestLevelsAreKept(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(ways["cma_es, levels"])))
	anywhere := false
	for _, x := range w.tried(t, s.ID) {
		require.InDelta(t, x.Genome[1]*8, float64(int(x.Genome[1]*8+0.5)), 1e-12)
		anywhere = anywhere || x.Genome[0]*8 != float64(int(x.Genome[0]*8))
	}
	require.True(t, anywhere)
}

func TestOptionsOfOptimizersAreChecked(t *testing.T) {
	for name, c := range map[string]struct{ json, param string }{
		"no object":           {`"cma_es"`, "optimizer"},
		"unknown name":        {`{"name":"simplex"}`, "optimizer.name"},
		"unknown field":       {`{"nme":"random"}`, "nme"},
		"unknown option":      {`{"options":{"covarianc":"full"}}`, "covarianc"},
		"wrong type":          {`{"options":{"levels":3}}`, "optimizer.options.levels"},
		"unknown covariance":  {`{"options":{"covariance":"round"}}`, "optimizer.options.covariance"},
		"unknown restarts":    {`{"options":{"restarts":"jpop"}}`, "optimizer.options.restarts"},
		"no restarts":         {`{"options":{"max_restarts":3}}`, "optimizer.options.max_restarts"},
		"too many restarts":   {`{"options":{"restarts":"ipop","max_restarts":11}}`, "optimizer.options.max_restarts"},
		"negative restarts":   {`{"options":{"restarts":"ipop","max_restarts":-1}}`, "optimizer.options.max_restarts"},
		"rates of a diagonal": {`{"options":{"covariance":"diagonal","adapt_rates":true}}`, "optimizer.options.adapt_rates"},
		"negative levels":     {`{"options":{"levels":[-1]}}`, "optimizer.options.levels[0]"},
		"too many levels":     {`{"options":{"levels":[1002]}}`, "optimizer.options.levels[0]"},
		"no objectives":       {`{"name":"nsga2"}`, "objectives"},
		"a likely crossover":  {`{"name":"nsga2","options":{"crossover":1.1}}`, "optimizer.options.crossover"},
		"a negative eta":      {`{"name":"nsga2","options":{"crossover_eta":-1}}`, "optimizer.options.crossover_eta"},
		"a large eta":         {`{"name":"nsga2","options":{"mutation_eta":1001}}`, "optimizer.options.mutation_eta"},
		"too many bins":       {`{"name":"cycle_qd","options":{"bins":101}}`, "optimizer.options.bins"},
		"a negative mutation": {`{"name":"cycle_qd","options":{"mutation":-0.1}}`, "optimizer.options.mutation"},
		"a large step":        {`{"name":"map_elites","options":{"step":1.5}}`, "optimizer.options.step"},
		"somebody else's":     {`{"name":"random","options":{"covariance":"full"}}`, "optimizer.options.covariance"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := withField("optimizer", c.json)
			if strings.Contains(c.json, "options") { // which are looked at after the objectives
				spec = []byte(strings.TrimSuffix(string(spec), "}") + `,"objectives":[{"task":"sums"},{"task":"words"}]}`)
			}
			_, err := ParseSpec(spec)
			requireBad(t, err, c.param)
		})
	}
	for _, good := range []string{
		`{"name":"cma_es","options":{"restarts":"bipop","max_restarts":10}}`, `{"options":{"levels":[1001]}}`,
		`{"name":"grid"}`, `{"name":"random"}`, `{}`, `null`,
	} {
		_, err := ParseSpec(withField("optimizer", good))
		require.NoError(t, err, good)
	}
}

func TestLaunchRefusesWhatAnOptimizerCanNotSearch(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Lab = deepLab{o.Lab} })
	blocks := func(s *Spec) { s.Groups, s.Trials = merge.Blocks, 8 }
	for param, options := range map[string]OptimizerOptions{
		"groups":                   {AdaptRates: true},
		"optimizer.options.levels": {Covariance: "diagonal", Levels: []int{2, 2, 2}},
	} {
		_, err := w.Launch(t.Context(), small(blocks, func(s *Spec) { s.Optimizer.Options = options }))
		requireBad(t, err, param)
	}
	s := w.done(t, w.launch(t, small(blocks, ways["cma_es, diagonal"])))
	require.Len(t, s.Parameters, 2004)
}

func TestOptimizersHaveDistinctNames(t *testing.T) {
	names := OptimizerNames()
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
}
