package search

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrialsAreTheCandidatesOfAnOptimizerThatIsToldTheirFitness(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small()))
	space, err := NewSpace(s.Spec, []int{4})
	require.NoError(t, err)
	opt, err := s.Spec.optimizer(space)
	require.NoError(t, err)
	var generation []Scored
	for _, x := range w.tried(t, s.ID) {
		require.Equal(t, opt.Candidate(x.Index), x.Genome)
		recipe, err := space.Recipe(x.Genome)
		require.NoError(t, err)
		sameJSON(t, recipe, x.Recipe)
		generation = append(generation, Scored{Genome: x.Genome, Fitness: x.Score.Accuracy})
		if x.Ends != nil {
			opt, err = opt.Told(generation)
			require.NoError(t, err)
			generation = nil
			require.InDelta(t, opt.Sigma(), x.Ends.Sigma, 0)
		}
	}
	require.InDelta(t, opt.Sigma(), s.Progress.Sigma, 0)
	mean, err := space.Recipe(opt.Guess())
	require.NoError(t, err)
	sameJSON(t, mean, s.Finalists[len(s.Finalists)-1].Recipe)
}
