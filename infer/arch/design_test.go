package arch

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

func TestEveryFamilyThatIsReadCanBeBuilt(t *testing.T) {
	require.Equal(t, checkpoint.Families(), slices.Sorted(maps.Keys(families)))
}

// YaRN's frequencies, as transformers 5.23 computes them for heads of 8:
// theta 100, factor 4, betas 2 and 0.25, original context 16.
func TestFrequenciesOfYarn(t *testing.T) {
	s := checkpoint.RopeScaling{Type: "yarn", Factor: 4, OriginalMaxPositionEmbeddings: 16, BetaFast: 2, BetaSlow: 0.25}
	for _, c := range []struct {
		name       string
		noTruncate bool
		want       []float32
	}{
		{"rounded to whole pairs", false, []float32{1, 0.2371708, 0.05, 0.007905695}},
		{"not rounded", true, []float32{1, 0.2124687, 0.0256644, 0.007905695}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.NoTruncate = c.noTruncate
			got := rope{theta: 100, scaling: &s}.frequencies(8)
			require.InDeltaSlice(t, c.want, got, 1e-6)
		})
	}
}
