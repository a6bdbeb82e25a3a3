package baseline

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestRandomCandidatesAreAFunctionOfSeedGenerationAndIndex(t *testing.T) {
	r, err := NewRandom([]int{0, 0, 3}, 50, 7)
	require.NoError(t, err)
	again, err := NewRandom([]int{0, 0, 3}, 50, 7)
	require.NoError(t, err)
	counts := map[float64]int{}
	for range 4 {
		for i := range r.Population() {
			v := r.Candidate(i)
			require.Equal(t, v, again.Candidate(i))
			require.NotEqual(t, v[0], v[1])
			require.True(t, v[0] >= 0 && v[0] < 1)
			counts[v[2]]++
		}
		data, err := json.Marshal(again.Next())
		require.NoError(t, err)
		again = new(Random)
		require.NoError(t, json.Unmarshal(data, again))
		r = r.Next()
	}
	require.Len(t, counts, 3)
	for _, level := range []float64{0, 0.5, 1} {
		require.InDelta(t, 200/3, counts[level], 25)
	}
	require.Equal(t, 4, r.Generation())
	require.Empty(t, r.Exhausted())
}

func TestAGridProposesEveryPointOnce(t *testing.T) {
	g, err := NewGrid([]int{2, 1, 3}, 4)
	require.NoError(t, err)
	require.Equal(t, 6, g.Points())
	var all [][]float64
	for g.Exhausted() == "" {
		for i := range g.Population() {
			all = append(all, g.Candidate(i))
		}
		data, err := json.Marshal(g.Next())
		require.NoError(t, err)
		g = new(Grid)
		require.NoError(t, json.Unmarshal(data, g))
	}
	require.Equal(t, [][]float64{{0, 0.5, 0}, {0, 0.5, 0.5}, {0, 0.5, 1}, {1, 0.5, 0}, {1, 0.5, 0.5}, {1, 0.5, 1}}, all)
}

func TestAGridThatExplodesIsRefusedWithTheNumberOfItsPoints(t *testing.T) {
	for want, levels := range map[string][]int{
		"20001 points": {20001}, "1594323 points": fill(13, 3), "1.32e+477 points": fill(1000, 3),
	} {
		_, err := NewGrid(levels, 0)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		require.ErrorContains(t, err, want)
	}
	_, err := NewGrid([]int{MaxPoints}, 0)
	require.NoError(t, err)
}

func fill(n, v int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestSearchesThatCanNotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		levels     []int
		population int
	}{
		"no parameters":        {nil, 1},
		"too many":             {fill(MaxDim+1, 0), 1},
		"negative levels":      {[]int{-1}, 1},
		"population too large": {[]int{1}, MaxPopulation + 1},
		"negative population":  {[]int{1}, -1},
	} {
		_, err := NewRandom(c.levels, c.population, 1)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
		_, err = NewGrid(c.levels, c.population)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	_, err := NewGrid([]int{2, 0}, 0)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	for _, damaged := range []string{`{}`, `{"levels":[2],"population":4,"generation":-1}`, `{"levels":[2],"population":0}`, `{"levels":[2],"population":4,"extra":1}`, `[]`} {
		require.Equal(t, fault.Damaged, fault.CodeOf(new(Grid).UnmarshalJSON([]byte(damaged))), damaged)
		require.Equal(t, fault.Damaged, fault.CodeOf(new(Random).UnmarshalJSON([]byte(damaged))), damaged)
	}
}
