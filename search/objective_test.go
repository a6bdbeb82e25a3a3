package search

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/pareto"
	"github.com/mergeway/mergeway/search/task"
)

func withObjectives(objectives string) []byte {
	return fmt.Appendf(nil, `{"base":"base","sources":["ja","math"],"objectives":%s}`, objectives)
}

func TestObjectivesHaveNamesAndDefaults(t *testing.T) {
	spec, err := ParseSpec(withObjectives(`[{"task":"sums"},{"task":"words","fitness":"language_right"},{"task":"words","weight":2}]`))
	require.NoError(t, err)
	require.Equal(t, "sums", spec.Task)
	require.Equal(t, []Objective{
		{Name: "sums", Task: "sums", Fitness: Accuracy, Weight: 1},
		{Name: "words-language_right", Task: "words", Fitness: LanguageRight, Weight: 1},
		{Name: "words-accuracy", Task: "words", Fitness: Accuracy, Weight: 2},
	}, spec.Objectives)
	require.Equal(t, []string{"sums", "words"}, spec.taskNames())

	scores := []TaskScore{{Task: "sums", Score: task.Score{Accuracy: 0.5}}, {Task: "words", Score: task.Score{Accuracy: 0.25, LanguageRight: 1}}}
	require.Equal(t, []float64{0.5, 1, 0.25}, spec.values(scores))
	require.InDelta(t, 0.5, spec.weighted([]float64{0.5, 1, 0.25}), 1e-15)
}

func TestBadObjectivesNameTheFieldAtFault(t *testing.T) {
	nine := "[" + strings.Repeat(`{"task":"sums"},`, MaxObjectives) + `{"task":"sums"}]`
	for name, c := range map[string]struct{ objectives, param string }{
		"too many":        {nine, "objectives"},
		"no task":         {`[{"task":"sums"},{"name":"a"}]`, "objectives[1].task"},
		"twice the same":  {`[{"task":"sums"},{"task":"sums"}]`, "objectives[1].name"},
		"unsafe name":     {`[{"task":"sums","name":"../x"}]`, "objectives[0].name"},
		"unknown fitness": {`[{"task":"sums","fitness":"luck"}]`, "objectives[0].fitness"},
		"negative weight": {`[{"task":"sums","weight":-1}]`, "objectives[0].weight"},
		"huge weight":     {`[{"task":"sums","weight":1e7}]`, "objectives[0].weight"},
		"another task":    {`[{"task":"sums"}],"task":"words"`, "task"},
		"two fitnesses":   {`[{"task":"sums"}],"fitness":"shaped"`, "fitness"},
		"unknown field":   {`[{"tsk":"sums"}]`, "tsk"},
		"wrong type":      {`["sums"]`, "objectives"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSpec(withObjectives(c.objectives))
			requireBad(t, err, c.param)
		})
	}
	_, err := newWorld(t).Launch(t.Context(), small(twoTasks(NSGA2), func(s *Spec) { s.Objectives[1].Task = "chess" }))
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestASearchForTwoThingsFindsAFront(t *testing.T) {
	for _, name := range []OptimizerName{NSGA2, CycleQD, CMAES} {
		t.Run(string(name), func(t *testing.T) {
			w := newWorld(t)
			spec := small(twoTasks(name), func(s *Spec) { s.Population, s.Trials, s.ValidateTop = 12, 130, 4 })
			s := w.done(t, w.launch(t, spec))
			trials := w.tried(t, s.ID)
			require.Greater(t, len(s.Front), 2)
			var values [][]float64
			for _, x := range trials {
				require.InDelta(t, (x.Values[0]+2*x.Values[1])/3, x.Fitness, 1e-12)
				require.Equal(t, []string{"sums", "words"}, []string{x.Tasks[0].Task, x.Tasks[1].Task})
				require.Equal(t, []float64{x.Tasks[0].Score.Accuracy, x.Tasks[1].Score.Accuracy}, x.Values)
				require.Equal(t, x.Tasks[0].Score, *x.Score)
				values = append(values, x.Values)
			}
			onFront := map[string]bool{}
			for _, i := range pareto.Fronts(values)[0] {
				onFront[fmt.Sprint(values[i])] = true
			}
			listed, validated := map[string]bool{}, 0
			for _, m := range s.Front {
				require.Equal(t, trials[m.Trial].Values, m.Values)
				listed[fmt.Sprint(m.Values)] = true
				if m.Validation != nil {
					validated++
				}
			}
			require.Equal(t, onFront, listed)
			require.Len(t, listed, len(s.Front), "values are listed once")
			require.Equal(t, min(4, len(s.Front)), validated)

			best := s.Finalists[0]
			for _, f := range s.Finalists {
				require.Len(t, f.Tasks, 2)
				if s.Spec.weighted(f.ValidationValues) > s.Spec.weighted(best.ValidationValues) {
					best = f
				}
			}
			sameJSON(t, best.Recipe, s.Winner.Recipe)
			require.Len(t, s.Winner.TestValues, 2)
			for _, row := range s.Scores {
				require.Len(t, row.Values, 2)
			}
			sizes := map[int]int{}
			for _, x := range trials {
				if x.Ends != nil {
					sizes[x.Generation] = x.Ends.Front
					require.Positive(t, x.Ends.Hypervolume)
				}
			}
			require.Len(t, sizes, s.Progress.Generation)
		})
	}
}

func TestObjectivesOfOneTaskShareTheReplies(t *testing.T) {
	w := newWorld(t)
	spec := small(func(s *Spec) {
		s.Task, s.Optimizer.Name = "", NSGA2
		s.Objectives = []Objective{{Task: "sums", Fitness: NumberRight}, {Task: "sums", Fitness: LanguageRight}}
	})
	s := w.done(t, w.launch(t, spec))
	require.Len(t, w.lab.questions(task.Search), s.Progress.Trials-s.Progress.Duplicates)
	for _, x := range w.tried(t, s.ID) {
		require.Equal(t, []float64{x.Score.NumberRight, x.Score.LanguageRight}, x.Values)
		require.Nil(t, x.Tasks)
	}
}

func TestASwarmIsListedCellByCell(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(twoTasks(CycleQD), func(s *Spec) { s.Population, s.Trials = 12, 120 })))
	cells, err := w.Cells(t.Context(), s.ID)
	require.NoError(t, err)
	trials := w.tried(t, s.ID)
	count := map[string]int{}
	for _, c := range cells {
		count[c.Objective]++
		sameJSON(t, trials[c.Trial.Number], c.Trial)
		quality := 0
		if c.Objective == "words" {
			quality = 1
		}
		require.Equal(t, -1, c.Bins[quality])
		require.Equal(t, min(14, int(c.Trial.Values[1-quality]*15)), c.Bins[1-quality])
		for _, x := range trials { // nobody of its kind is better
			if min(14, int(x.Values[1-quality]*15)) == c.Bins[1-quality] {
				require.LessOrEqual(t, x.Values[quality], c.Trial.Values[quality])
			}
		}
	}
	require.Len(t, count, 2)
	require.Greater(t, count["sums"], 1)

	plain := w.done(t, w.launch(t, small()))
	_, err = w.Cells(t.Context(), plain.ID)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	_, err = w.Cells(t.Context(), "none")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestArchivesThatAreTooLargeAreRefused(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Lab = deepLab{o.Lab} })
	_, err := w.Launch(t.Context(), small(twoTasks(CycleQD), func(s *Spec) {
		s.Groups, s.Trials, s.Optimizer.Options.Bins = merge.Blocks, MaxTrials, 100
		s.Objectives = append(s.Objectives, Objective{Task: "sums", Fitness: Shaped, Name: "shaped"})
	}))
	requireBad(t, err, "optimizer.options.bins")
}

func TestASearchOfSeveralTasksPausesIfOneHasChanged(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, small(twoTasks(NSGA2)), task.Search, 6)
	require.NoError(t, w.Stop(patient(t)))
	writeOneTask(t, w.tasks+"/words", "words", "wx")
	s := w.reopen(t).eventually(t, id, Paused)
	require.Contains(t, s.Reason, `"words" has changed`)
}

func TestAFrontHasALimit(t *testing.T) {
	var trials []Trial
	for i := range 3 * MaxFront {
		at := float64(i) / (3 * MaxFront)
		trials = append(trials, Trial{Number: i, Score: &task.Score{}, Values: []float64{at, 1 - at}})
	}
	trials = append(trials, Trial{Number: 999, Score: &task.Score{}, Values: []float64{0, 0.5}}, Trial{Number: 1000, Values: []float64{2, 2}})
	front := extendFront(nil, trials)
	require.Len(t, front, MaxFront)
	require.Equal(t, 0, front[0].Trial)
	require.Equal(t, 3*MaxFront-1, front[MaxFront-1].Trial, "the ends stay")
	require.InDelta(t, 0.5, hypervolume(front), 0.05)
	require.Zero(t, hypervolume([]FrontMember{{Values: []float64{1, 1, 1, 1}}}))
	require.Nil(t, extendFront(nil, nil))
}
