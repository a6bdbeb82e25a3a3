package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// Who lends the part that sees is said of every candidate, and of what these are held
// against.
func TestCandidatesSeeAsTheSpecSays(t *testing.T) {
	weights := small(func(s *Spec) { s.Vision = "ja" })
	paths := pathSpec(func(s *Spec) { s.Vision = "b" })
	for _, c := range []struct {
		spec   Spec
		layers []int
	}{{weights, []int{4}}, {paths, []int{4, 3}}} {
		spec := c.spec.WithDefaults()
		require.NoError(t, spec.Validate())
		space, err := NewSpace(spec, c.layers)
		require.NoError(t, err)
		start, err := space.Start()
		require.NoError(t, err)
		candidate, err := space.Recipe(start)
		require.NoError(t, err)
		require.Equal(t, spec.Vision, candidate.Vision)
		require.Equal(t, spec.Vision, spec.example().Vision)
		require.Equal(t, spec.Vision, spec.average().Vision)

		spec.Vision = "nobody"
		err = spec.Validate()
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, "vision", f.Param)
	}
}

func TestASearchSeesThroughItsForerunnersWinner(t *testing.T) {
	w := newWorld(t)
	first := w.done(t, w.launch(t, func() Spec {
		s := chained()
		s.Vision, s.Then.Vision = "ja", WinnerName
		return s
	}()))
	second := w.done(t, first.Next)
	require.Equal(t, "ja", first.Winner.Recipe.Vision)
	require.Equal(t, first.Winner.Model, second.Winner.Recipe.Vision)
}
