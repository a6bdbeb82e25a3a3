package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
)

func TestTheSeedDecidesEverything(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"all problems":  func(*Spec) {},
		"samples":       func(s *Spec) { s.SampleSize = 5 },
		"shaped":        func(s *Spec) { s.Fitness = Shaped },
		"random method": func(s *Spec) { s.Method = merge.DARETIES },
	} {
		t.Run(name, func(t *testing.T) {
			first := reference(t, small(change))
			sameJSON(t, first, reference(t, small(change)))

			other := reference(t, small(change, func(s *Spec) { s.Seed++ }))
			require.NotEqual(t, first.Trials[0].Genome, other.Trials[0].Genome)
		})
	}
}
