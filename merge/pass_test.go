package merge

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/merge/onepass"
)

// passShapes are no whole steps of the kernel; the second is more than one of the
// pieces that its threads take.
var passShapes = [][]int{{31, 33}, {301, 501}}

// passModel is a model of numbers that bfloat16 can hold, around a base or plain.
func passModel(rng *rand.Rand, base [][]float32, spread float64) [][]float32 {
	model := make([][]float32, len(passShapes))
	for t, shape := range passShapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		model[t] = make([]float32, n)
		for e := range model[t] {
			v := rng.NormFloat64() * spread
			if base != nil && rng.IntN(20) == 0 {
				v = 0
			}
			if base != nil {
				v += float64(base[t][e])
			}
			model[t][e] = bfloat16.FromFloat32(float32(v)).Float32()
		}
	}
	return model
}

// passTensors holds a model in bfloat16 or in float32.
func passTensors(t testing.TB, model [][]float32, half bool) []*tensors.Tensor {
	var out []*tensors.Tensor
	for i, values := range model {
		if !half {
			out = append(out, tensors.FromFlatDataAndDimensions(values, passShapes[i]...))
			continue
		}
		narrow := make([]bfloat16.BFloat16, len(values))
		for e, v := range values {
			narrow[e] = bfloat16.FromFloat32(v)
		}
		out = append(out, tensors.FromFlatDataAndDimensions(narrow, passShapes[i]...))
	}
	t.Cleanup(func() { device.Free(out...) })
	return out
}

// passExecutor is one whose kernel can be used, or the test is skipped.
func passExecutor(t testing.TB) *Executor {
	if !onepass.Supported() || !devicetest.Open(t).SharesMemory() {
		t.Skip("this processor has no kernel for merges")
	}
	return sharedExecutor(t)
}

// The kernel and the graph are two ways to the same bits, so that a recipe means the
// same model on every processor.
func TestTheKernelAgreesWithTheGraph(t *testing.T) {
	x := passExecutor(t)
	rng := rand.New(rand.NewPCG(20, 0))
	base := passModel(rng, nil, 0.02)
	models := map[string][][]float32{"base": base}
	for i, name := range []string{"a", "b", "c", "d"} {
		models[name] = passModel(rng, base, 0.001*float64(i+1))
	}
	sources := []Source{
		{Model: "a", Weight: Numbers(0.7), Density: Numbers(0.5)},
		{Model: "b", Weight: Numbers(0.45), Density: Numbers(0.13)},
		{Model: "c", Weight: Numbers(-0.3), Density: Numbers(1)},
		{Model: "d", Weight: Numbers(1.1), Density: Numbers(0.9)},
	}
	cases := 0
	for _, m := range Methods() {
		all := variants(m)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			r := all[name]
			r.DType, r.Groups = "bfloat16", WholeModel
			n := 1
			if cases++; methods[m].most != 1 { // each number of sources, in each dtype, but not with everything
				n += cases % 4
			}
			r.Sources = slices.Clone(sources[:n])
			for i := range r.Sources {
				if !m.Sparsifies() {
					r.Sources[i].Density = Setting{}
				}
				for _, q := range methods[m].own {
					r.Sources[i].Parameters = r.Sources[i].Parameters.with(q.name, Numbers(0.05*float64(i)))
				}
			}
			if !x.passes(newProgram(r.normal(), methods[m])) {
				continue
			}
			half := cases/4%2 == 0
			t.Run(fmt.Sprintf("%s,%d sources,half=%t", name, n, half), func(t *testing.T) {
				j := passJob(t, r, models, half)
				x.rankings.forgetAll()
				kernel := passBits(t, x, j)
				x.onePass = false
				defer func() { x.onePass = true }()
				x.rankings.forgetAll()
				assert.Equal(t, passBits(t, x, j), kernel)
			})
		}
	}
}

// passJob prepares a merge of models of passShapes in one unit.
func passJob(t testing.TB, r Recipe, models map[string][][]float32, half bool) job {
	require.NoError(t, r.Validate())
	r = r.normal()
	c := methods[r.Method]
	p := partJob{part: part{recipe: r}, choices: c, program: newProgram(r, c)}
	for i := range passShapes {
		p.places = append(p.places, place{name: fmt.Sprint(i)})
	}
	if p.program.base {
		p.base = operand{owner: new(infer.Weights), tensors: passTensors(t, models[r.Base], half)}
	}
	for _, s := range r.Sources {
		p.sources = append(p.sources, operand{owner: new(infer.Weights), tensors: passTensors(t, models[s.Model], half)})
	}
	return job{parts: []partJob{p}, units: []unit{{to: len(passShapes)}}}
}

// passBits merges, and gives the bytes of all tensors.
func passBits(t testing.TB, x *Executor, j job) [][]byte {
	out, err := x.run(context.Background(), j, StreamOptions{})
	require.NoError(t, err)
	defer device.Free(out...)
	all := make([][]byte, len(out))
	for i, tensor := range out {
		local, err := tensor.LocalClone()
		require.NoError(t, err)
		require.NoError(t, local.ConstBytes(func(data []byte) { all[i] = append([]byte(nil), data...) }))
		device.Free(local)
	}
	return all
}

// A pivot is the same entry, whether it is looked up in an order of all or found from
// a count; also among many of the same size.
func TestPivotsAreFoundFromCounts(t *testing.T) {
	x := passExecutor(t)
	rng := rand.New(rand.NewPCG(21, 0))
	base := passModel(rng, nil, 0.02)
	models := map[string][][]float32{"base": base, "a": passModel(rng, base, 1e-4)}
	r := NewRecipe(TIES)
	r.Base, r.Sources = "base", []Source{{Model: "a", Weight: Numbers(1), Density: Numbers(0.5)}}
	for _, half := range []bool{true, false} {
		j := passJob(t, r, models, half).parts[0]
		for tensor, shape := range passShapes {
			n := j.base.tensors[tensor].Shape().Size()
			for _, rank := range []int{0, n - 1, n / 2, rng.IntN(n), rng.IntN(n), rng.IntN(n)} {
				counted, err := x.pivot(context.Background(), j, tensor, 0, rank)
				require.NoError(t, err)
				order, err := x.ranking(j, tensor, 0, byMagnitude)
				require.NoError(t, err)
				assert.Equal(t, order[rank], counted, "%v, half=%t: rank %d", shape, half, rank)
			}
		}
	}
}

func TestTheKernelStopsWhenItsCallerHasGone(t *testing.T) {
	x := passExecutor(t)
	rng := rand.New(rand.NewPCG(22, 0))
	base := passModel(rng, nil, 0.02)
	r := NewRecipe(TIES)
	r.Base, r.Sources = "base", []Source{{Model: "a", Weight: Numbers(1), Density: Numbers(0.5)}}
	j := passJob(t, r, map[string][][]float32{"base": base, "a": passModel(rng, base, 0.001)}, true)
	for looks := range 20 {
		ctx := &countdown{Context: context.Background(), left: looks}
		_, err := x.run(ctx, j, StreamOptions{})
		if err == nil {
			return // with so many looks it is done
		}
		assert.Equal(t, fault.Cancelled, fault.CodeOf(err), "after %d looks", looks)
	}
	assert.Fail(t, "it looks at its context too often")
}
