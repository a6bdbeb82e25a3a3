package search

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

func space(t *testing.T, layers int, change func(*Spec)) *Space {
	t.Helper()
	spec := Spec{Task: "sums", Base: "base", Sources: []string{"ja", "math"}}
	if change != nil {
		change(&spec)
	}
	s, err := NewSpace(spec.WithDefaults(), []int{layers})
	require.NoError(t, err)
	return s
}

func labels(s *Space) []string {
	var all []string
	for _, p := range s.Parameters() {
		all = append(all, p.Label)
	}
	return all
}

func TestSpaceHasAParameterForEachSourceGroupAndKind(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Spec)
		want   []string
	}{
		"weights only": {nil, []string{
			"ja weight embedding", "ja weight lower", "ja weight upper", "ja weight head",
			"math weight embedding", "math weight lower", "math weight upper", "math weight head",
		}},
		"the paper's": {
			func(s *Spec) { s.Method, s.Groups = merge.DARETIES, merge.WholeModel },
			[]string{"ja weight model", "ja density model", "math weight model", "math density model"},
		},
		"one density for each source": {
			func(s *Spec) { s.Method, s.Groups, s.SharedDensity = merge.TIES, merge.Ends, true },
			[]string{
				"ja weight embedding", "ja weight blocks", "ja weight head", "ja density all",
				"math weight embedding", "math weight blocks", "math weight head", "math density all",
			},
		},
		"each block": {
			func(s *Spec) { s.Sources, s.Groups = []string{"ja"}, merge.Blocks },
			[]string{"ja weight embedding", "ja weight block 0", "ja weight block 1", "ja weight head"},
		},
		"densities held fixed": {
			func(s *Spec) { s.Method, s.Groups, s.DensityRange = merge.TIES, merge.WholeModel, Range{0.5, 0.5} },
			[]string{"ja weight model", "math weight model"},
		},
	} {
		assert.Equal(t, c.want, labels(space(t, 2, c.change)), name)
	}
	_, err := NewSpace(Spec{Task: "t", Base: "b", Sources: []string{"s"}, WeightRange: Range{1, 1}}, []int{2})
	assert.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = NewSpace(Spec{Task: "t", Base: "b", Sources: []string{"s"}, Groups: merge.Blocks}, []int{8200})
	assert.Equal(t, fault.Invalid, fault.CodeOf(err), "too many parameters")
}

func TestGenomeToRecipe(t *testing.T) {
	s := space(t, 2, func(s *Spec) {
		s.Method, s.Groups, s.SharedDensity, s.Seed = merge.DARETIES, merge.Ends, true, 9
		s.WeightRange, s.DensityRange = Range{-1, 1}, Range{0.2, 1}
	})
	r, err := s.Recipe([]float64{0, 0.5, 1, 0.5, 0.123456, -3, 7, 0})
	require.NoError(t, err)
	assert.Equal(t, merge.Recipe{
		Method: merge.DARETIES, Base: "base", Groups: merge.Ends, Lambda: 1,
		Rescale: merge.RescaleDensity, Seed: 9, DType: "bfloat16",
		Sources: []merge.Source{
			{Model: "ja", Weight: merge.Numbers(-1, 0, 1), Density: merge.Numbers(0.6)},
			{Model: "math", Weight: merge.Numbers(-0.7531, -1, 1), Density: merge.Numbers(0.2)},
		},
	}, r)
	_, err = s.Recipe([]float64{1})
	assert.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestRecipesRoundTrip(t *testing.T) {
	for _, method := range merge.Methods() {
		if !method.Weighs() || method == merge.Passthrough { // which merges one source
			continue
		}
		for _, groups := range append(merge.Groupings(), merge.BlocksOf(2)) {
			s := space(t, 3, func(s *Spec) { s.Method, s.Groups = method, groups })
			genome := make([]float64, s.Dim())
			for i := range genome {
				genome[i] = float64(i+1) / float64(len(genome)+1)
			}
			r, err := s.Recipe(genome)
			require.NoError(t, err)
			back, err := s.Genome(r)
			require.NoError(t, err)
			assert.InDeltaSlice(t, genome, back, 1e-4, "%s by %s", method, groups)
			again, err := s.Recipe(back)
			require.NoError(t, err)
			assert.Equal(t, r, again)
		}
	}
}

func TestASearchStartsInTheMiddleOrFromARecipe(t *testing.T) {
	s := space(t, 2, nil)
	start, err := s.Start()
	require.NoError(t, err)
	assert.Equal(t, slices.Repeat([]float64{0.5}, 8), start)

	from := merge.NewRecipe(merge.Linear)
	from.Sources = []merge.Source{{Model: "math", Weight: merge.Numbers(0.75)}}
	s = space(t, 2, func(s *Spec) { s.Start = &from })
	start, err = s.Start()
	require.NoError(t, err)
	assert.Equal(t, []float64{0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5}, start, "what the recipe leaves out has no weight")

	for name, change := range map[string]func(*merge.Recipe){
		"foreign source": func(r *merge.Recipe) { r.Sources[0].Model = "other" },
		"other length":   func(r *merge.Recipe) { r.Groups, r.Sources[0].Weight = merge.Halves, merge.Numbers(1, 2, 3) },
		"other blocks":   func(r *merge.Recipe) { r.Groups, r.Sources[0].Weight = merge.Blocks, merge.Numbers(1, 2, 3) },
		"slices": func(r *merge.Recipe) {
			r.Sources[0].LayerRange = merge.Range{0, 2}
			r.Slices, r.Sources = []merge.Slice{{Sources: r.Sources}}, nil
		},
	} {
		from := merge.NewRecipe(merge.TaskArithmetic)
		from.Base = "base"
		from.Sources = []merge.Source{{Model: "math", Weight: merge.Numbers(0.75)}}
		change(&from)
		_, err := space(t, 2, func(s *Spec) { s.Start = &from }).Start()
		assert.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
}
