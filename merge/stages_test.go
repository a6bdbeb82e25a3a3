package merge

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"
)

func TestStagesMakeEachModelOnceAndKeepItAsLongAsNeeded(t *testing.T) {
	stages := family().Stages()
	require.Len(t, stages, 3, "what is used twice is made once")
	require.Empty(t, stages[2].Name)
	inner, outer := stages[0].Name, stages[1].Name
	require.Equal(t, []string{"base", "ja"}, stages[0].Recipe.Models())
	require.ElementsMatch(t, []string{inner, "math"}, stages[1].Recipe.Models())
	require.ElementsMatch(t, []string{"base", "math", inner, outer}, stages[2].Recipe.Models())
	require.Equal(t, []string{"ja"}, Idle(stages, 0))
	require.Empty(t, Idle(stages, 1))
	require.ElementsMatch(t, []string{"base", "math", inner, outer}, Idle(stages, 2))
}

func TestAPlanOfStagesCountsWhatIsThereAtOnce(t *testing.T) {
	leaves, held := map[string]Described{}, map[string]dtypes.DType{}
	for _, name := range family().Leaves() {
		leaves[name] = Described{Config: small(), Tensors: storedAs(small(), dtypes.BFloat16)}
		held[name] = dtypes.Float32
	}
	size := bytesOn(leaves["base"], dtypes.Float32)
	p := NewPlan(family(), leaves, held)
	require.Equal(t, map[string]int64{"base": size / 2, "ja": size / 2, "math": size / 2}, p.Read)
	require.Equal(t, 5*size, p.Device, "base, math, both that are made, and the result")
	require.Equal(t, size, p.Written)
	p = NewPlan(tower(3), leaves, held)
	require.Equal(t, 3*size, p.Device, "base, the one that was made last, and the next")
}
