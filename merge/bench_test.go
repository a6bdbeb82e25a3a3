package merge

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
)

// BenchmarkMerge merges four sources of the miniature's shape (39 tensors, 0.92
// million parameters) with other numbers each time, as a search does.
func BenchmarkMerge(b *testing.B) {
	x := newExecutor(b)
	c := miniature()
	params := arch.Params(c)
	rng := rand.New(rand.NewPCG(1, 1))
	model := func() []*tensors.Tensor {
		out := make([]*tensors.Tensor, len(params))
		for i, p := range params {
			n := 1
			for _, d := range p.Shape {
				n *= d
			}
			values := make([]float32, n)
			for e := range values {
				values[e] = float32(rng.NormFloat64())
			}
			out[i] = tensors.FromFlatDataAndDimensions(values, p.Shape...)
		}
		b.Cleanup(func() { free(out...) })
		return out
	}
	base := operand{owner: "base", tensors: model()}
	var sources []operand
	for _, name := range []string{"a", "b", "c", "d"} {
		sources = append(sources, operand{owner: name, tensors: model()})
	}
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	for _, m := range Methods() {
		b.Run(string(m), func(b *testing.B) {
			r := NewRecipe(m)
			r.Groups = Blocks
			if m.NeedsBase() {
				r.Base = "base"
			}
			for _, s := range sources {
				r.Sources = append(r.Sources, Source{Model: s.owner.(string)})
			}
			merge := func() {
				for i := range r.Sources {
					r.Sources[i].Weight = vary(rng, r.Groups.Count(c.NumHiddenLayers))
					if m.Sparsifies() {
						r.Sources[i].Density = vary(rng, r.Groups.Count(c.NumHiddenLayers))
					}
				}
				normal := r.normal()
				j := job{
					recipe: normal, choices: methods[m], program: newProgram(normal, methods[m]),
					names: names, units: units(Blocks, c.NumHiddenLayers, params), groups: Blocks.Count(c.NumHiddenLayers),
					base: base, sources: sources,
				}
				out, err := x.run(context.Background(), j)
				require.NoError(b, err)
				free(out...)
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
