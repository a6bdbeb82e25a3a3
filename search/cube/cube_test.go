package cube

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestAStartLiesInTheCube(t *testing.T) {
	for _, c := range []struct {
		start  []float64
		levels []int
		param  string
	}{
		{[]float64{0, 0.5, 1}, nil, ""},
		{[]float64{0, 1}, []int{0, 2}, ""},
		{nil, nil, "dim"},
		{make([]float64, MaxDim), nil, ""},
		{make([]float64, MaxDim+1), nil, "dim"},
		{[]float64{1.1}, nil, "start"},
		{[]float64{math.NaN()}, nil, "start"},
		{[]float64{0, 1}, []int{2}, "levels"},
	} {
		err := CheckStart(c.start, c.levels)
		if c.param == "" {
			require.NoError(t, err)
			continue
		}
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, c.param, f.Param)
	}
}

func TestACandidateIsOfTheSearch(t *testing.T) {
	require.NoError(t, CheckCandidate([]float64{0, 1}, []float64{0.5}, 2, 1))
	for _, c := range [][2][]float64{
		{{0}, {0.5}}, {{0, 1}, {}}, {{0, math.NaN()}, {0.5}}, {{0, 1}, {math.Inf(1)}},
	} {
		require.Equal(t, fault.Invalid, fault.CodeOf(CheckCandidate(c[0], c[1], 2, 1)))
	}
}
