package merge

import (
	"cmp"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// BenchmarkMerge merges four sources of the miniature's shape (39 tensors, 0.92
// million parameters) with other numbers each time, as a search does.
func BenchmarkMerge(b *testing.B) {
	x := newExecutor(b)
	rng := rand.New(rand.NewPCG(1, 1))
	models := make(map[string]*infer.Weights)
	for _, name := range []string{"base", "a", "b", "c", "d"} {
		models[name] = randomWeights(b, rng, miniature())
	}
	for _, m := range Methods() {
		b.Run(string(m), func(b *testing.B) {
			c := methods[m]
			r := toyRecipe(m)
			r.Groups, r.DType, r.Sources = Blocks, "bfloat16", nil
			for _, name := range []string{"a", "b", "c", "d"}[:min(4, cmp.Or(c.most, 4))] {
				r.Sources = append(r.Sources, Source{Model: name})
			}
			for name := range r.Parameters {
				r.Parameters[name] = Numbers(0.5)
			}
			merge := func() {
				for i := range r.Sources {
					if m.Weighs() {
						r.Sources[i].Weight = Numbers(vary(rng, 6)...)
					}
					if m.Sparsifies() {
						r.Sources[i].Density = Numbers(vary(rng, 6)...)
					}
				}
				w, err := x.Merge(context.Background(), r, models)
				require.NoError(b, err)
				w.Free()
			}
			merge() // compiles, and ranks
			compiled := x.Compilations()
			for b.Loop() {
				merge()
			}
			require.Equal(b, compiled, x.Compilations())
		})
	}
}

// vary draws numbers in (0, 1].
func vary(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1 - rng.Float64()
	}
	return out
}
