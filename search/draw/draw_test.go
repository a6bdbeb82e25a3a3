package draw

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreAFunctionOfSeedGenerationAndIndex(t *testing.T) {
	first := Of(1, 2, 3).Uniform()
	require.Equal(t, first, Of(1, 2, 3).Uniform())
	for _, other := range []*Source{Of(2, 2, 3), Of(1, 3, 3), Of(1, 2, 4), Of(1, 3, 2), Of(0, 0, 0)} {
		require.NotEqual(t, first, other.Uniform())
	}
}

// The numbers of a search must stay what they are: stored searches go on.
func TestNumbersStayWhatTheyAre(t *testing.T) {
	s := Of(7, 0, 1)
	require.Equal(t, []float64{s.Uniform(), s.Normal(), s.Normal(), float64(s.Below(1000))}, []float64{0.5918051641803314, 1.399696435285832, 0.21118150243116146, 725})
}

func TestDistributions(t *testing.T) {
	const n = 20000
	var sum, normal, squares float64
	counts := make([]int, 4)
	for i := range n {
		s := Of(5, i/100, i%100)
		u, v := s.Uniform(), s.Normal()
		require.True(t, u >= 0 && u < 1)
		sum, normal, squares = sum+u, normal+v, squares+v*v
		counts[s.Below(4)]++
	}
	require.InDelta(t, 0.5, sum/n, 0.01)
	require.InDelta(t, 0, normal/n, 0.03)
	require.InDelta(t, 1, math.Sqrt(squares/n), 0.02)
	for _, c := range counts {
		require.InDelta(t, n/4, c, 300)
	}
}
