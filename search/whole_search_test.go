package search

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

func TestASearchGoesThroughItsStatesAndCountsItsTrials(t *testing.T) {
	w := newWorld(t)
	launched, err := w.Launch(t.Context(), small())
	require.NoError(t, err)
	require.Equal(t, Queued, launched.State)
	require.Len(t, launched.Parameters, 2)

	events := w.listen(t, launched.ID, 0)
	require.Equal(t, []State{Queued, Running, Validating, Testing, Done}, states(events))
	requireGapless(t, events, 1)

	s := w.done(t, launched.ID)
	require.Equal(t, 20, s.Progress.Trials)
	require.Equal(t, 5, s.Progress.Generation)
	require.Zero(t, s.Progress.Failures)
	require.Equal(t, "trials", s.Progress.Stopped)
	require.Equal(t, len(events), s.LastEvent)
	require.NotNil(t, s.StartedAt)
	require.NotNil(t, s.EndedAt)

	trials := w.tried(t, s.ID)
	require.Len(t, trials, 20)
	best := 0.0
	for i, x := range trials {
		require.Equal(t, []int{i, i / 4, i % 4}, []int{x.Number, x.Generation, x.Index})
		require.Equal(t, x.Index == 3, x.Ends != nil, "trial %d", i)
		require.Len(t, x.Outcomes, searchProblems)
		best = math.Max(best, x.Fitness)
	}
	require.InDelta(t, best, s.Progress.Best.Fitness, 0)
	require.InDelta(t, best, trials[s.Progress.Best.Trial].Fitness, 0)

	kinds := map[EventType]int{}
	for _, e := range events {
		kinds[e.Type]++
	}
	require.Equal(t, map[EventType]int{
		StateChanged: 5, TrialEnded: 20, GenerationEnd: 5, Validated: len(s.Finalists), Tested: 5, Published: 1,
	}, kinds)
}

func TestTheWinnerIsPublishedOnceUnderItsAlias(t *testing.T) {
	for name, alias := range map[string]string{"with an alias": "best", "without": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.done(t, w.launch(t, small(func(s *Spec) { s.Alias = alias })))
			recipe, err := s.Winner.Recipe.Canonical()
			require.NoError(t, err)
			require.Equal(t, []publication{{"better", string(recipe), alias}}, w.lab.publications())
			require.Equal(t, "recipe-of-better", s.Winner.Model)
			require.Equal(t, alias, s.Winner.Alias)
		})
	}
}

func TestValidationChoosesTheWinner(t *testing.T) {
	w := newWorld(t)
	// What is better on the search problems is worse on the validation problems.
	w.lab.solves = func(weights []float64, split task.Split, n int) bool {
		far := math.Hypot(weights[0]-1.1, weights[1]-0.4)
		if split == task.Validation {
			return far > 0.02*float64(n)
		}
		return far < 0.05*float64(searchProblems-n)
	}
	s := w.done(t, w.launch(t, small()))
	require.Len(t, s.Finalists, 4, "the best three and the mean")
	require.Nil(t, s.Finalists[3].Trial)
	require.Equal(t, s.Progress.Best.Fitness, s.Finalists[0].Search.Accuracy)
	best := s.Finalists[0].Validation.Accuracy
	for _, f := range s.Finalists {
		require.Equal(t, validationProblems, f.Validation.Problems)
		best = math.Max(best, f.Validation.Accuracy)
	}
	require.Greater(t, best, s.Finalists[0].Validation.Accuracy, "the landscape is such that the best on search isn't the best")
	require.InDelta(t, best, s.Winner.Validation.Accuracy, 0)
	require.NotEqual(t, s.Finalists[0].Recipe, s.Winner.Recipe)
}

func TestTheTestProblemsAreUsedOnceForEachRowOfTheTable(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small()))

	winner, err := s.Winner.Recipe.Canonical()
	require.NoError(t, err)
	average, err := s.Spec.average().Canonical()
	require.NoError(t, err)
	var asked []question
	for _, q := range w.lab.questions(task.Test) {
		q.problems = ""
		asked = append(asked, q)
	}
	require.Equal(t, []question{
		{split: task.Test, model: "base"}, {split: task.Test, model: "ja"}, {split: task.Test, model: "math"},
		{split: task.Test, recipe: string(average)}, {split: task.Test, recipe: string(winner)},
	}, asked)

	var rows []Row
	for _, r := range s.Scores {
		require.Equal(t, testProblems, r.Score.Problems, r.Name)
		require.Empty(t, r.Failure)
		rows = append(rows, Row{Role: r.Role, Name: r.Name})
	}
	require.Equal(t, []Row{
		{Role: RoleBase, Name: "base"}, {Role: RoleSource, Name: "ja"}, {Role: RoleSource, Name: "math"},
		{Role: RoleAverage, Name: "average"}, {Role: RoleWinner, Name: "winner"},
	}, rows)
	require.Equal(t, s.Scores[4].Score, s.Winner.Test)
}

func TestFinalistsAreScoredOnceOnAllValidationProblems(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small()))
	asked := w.lab.questions(task.Validation)
	require.Len(t, asked, len(s.Finalists))
	for i, f := range s.Finalists {
		recipe, err := f.Recipe.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(recipe), asked[i].recipe)
	}
}

func TestTheBudgetEndsTrialsInTheMiddleOfAGeneration(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(func(s *Spec) { s.Trials = 10 })))
	require.Equal(t, 10, s.Progress.Trials)
	require.Equal(t, 2, s.Progress.Generation)
	require.Nil(t, w.tried(t, s.ID)[9].Ends)
}

func TestTimeEndsTrials(t *testing.T) {
	w := newWorld(t)
	spec := small(func(s *Spec) { s.Minutes = 1e-3 })
	w.lab.hook(func(ctx context.Context, q question) error {
		if q.split == task.Search { // the first trial takes all of the time
			return pause(ctx, seconds(60*spec.Minutes))
		}
		return nil
	})
	s := w.done(t, w.launch(t, spec))
	require.Equal(t, "minutes", s.Progress.Stopped)
	require.Equal(t, 1, s.Progress.Trials)
	require.Len(t, w.tried(t, s.ID), 1)
}

func TestTheOptimizerEndsTrialsThatLeadNowhere(t *testing.T) {
	w := newWorld(t)
	w.lab.solves = func([]float64, task.Split, int) bool { return true }
	s := w.done(t, w.launch(t, small(func(s *Spec) { s.Trials = 2000 })))
	require.Equal(t, "flat fitness", s.Progress.Stopped)
	require.Less(t, s.Progress.Trials, 2000)
}

func TestFinishedSearchesAreListedTheNewestFirst(t *testing.T) {
	w := newWorld(t)
	first := w.done(t, w.launch(t, small()))
	second := w.done(t, w.launch(t, small()))
	all, err := w.List(t.Context())
	require.NoError(t, err)
	sameJSON(t, []Search{second, first}, all)
}
