package pareto

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is one case of testdata/pymoo.json, made by scripts/fixtures/pareto.py.
type golden struct {
	Values      [][]float64
	Fronts      [][]int
	Crowding    []*float64 // of the first front; null is infinite
	Reference   []float64
	Hypervolume float64
}

func TestAgreesWithPymoo(t *testing.T) {
	data, err := os.ReadFile("testdata/pymoo.json")
	require.NoError(t, err)
	var cases []golden
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, g := range cases {
		fronts := Fronts(g.Values)
		require.Equal(t, g.Fronts, fronts)
		var first [][]float64
		for _, i := range fronts[0] {
			first = append(first, g.Values[i])
		}
		for i, distance := range Crowding(first) {
			if g.Crowding[i] == nil {
				require.True(t, math.IsInf(distance, 1))
				continue
			}
			require.InDelta(t, *g.Crowding[i], distance, 1e-12)
		}
		require.InDelta(t, g.Hypervolume, Hypervolume(g.Values, g.Reference), 1e-12)
	}
}

func TestWhatEqualsDominatesNobody(t *testing.T) {
	require.False(t, Dominates([]float64{1, 2}, []float64{1, 2}))
	require.False(t, Dominates([]float64{1, 2}, []float64{2, 1}))
	require.True(t, Dominates([]float64{1, 2}, []float64{1, 1}))
	require.Equal(t, [][]int{{0, 1}, {2}}, Fronts([][]float64{{1, 2}, {1, 2}, {1, 1}}))
	require.Empty(t, Fronts(nil))
	require.Empty(t, Crowding(nil))
}

func TestAFrontOfOnePointIsLonely(t *testing.T) {
	for _, distance := range Crowding([][]float64{{0.5, 0.5}, {0.5, 0.5}}) {
		require.True(t, math.IsInf(distance, 1))
	}
}

func TestHypervolumeOfNothing(t *testing.T) {
	require.Zero(t, Hypervolume(nil, []float64{0, 0}))
	require.Zero(t, Hypervolume([][]float64{{0, 1}}, []float64{0, 0}))
	require.InDelta(t, 0.75, Hypervolume([][]float64{{1, 0.5}, {0.5, 1}, {0.2, 0.2}}, []float64{0, 0}), 1e-15)
}
