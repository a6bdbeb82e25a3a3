package device_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/device/kernel"
)

// own is the shared device, if it has our own kernel.
func own(t *testing.T) *device.Device {
	t.Helper()
	if !kernel.Supported() {
		t.Skip("this processor has no AVX512-BF16")
	}
	dev := devicetest.Open(t)
	require.True(t, dev.HasKernels(dtypes.BFloat16))
	return dev
}

// arbitrary gives n numbers around zero, and never others for the same seed.
func arbitrary(seed uint64, n int) []bfloat16.BFloat16 {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]bfloat16.BFloat16, n)
	for i := range all {
		all[i] = bfloat16.FromFloat32(float32(random.NormFloat64()))
	}
	return all
}

// multiplied is x [rows, in] times a weight [out, in], by our own kernel.
func multiplied(t *testing.T, dev *device.Device, x, weight []bfloat16.BFloat16, in int) []bfloat16.BFloat16 {
	t.Helper()
	rows, out := len(x)/in, len(weight)/in
	y, err := graph.CallOnce(dev.Backend(), func(x, weight *graph.Node) *graph.Node {
		y, ok := dev.Multiply(x, weight)
		require.True(t, ok, "has a library moved its private fields?")
		return y
	}, tensors.FromFlatDataAndDimensions(x, rows, in), tensors.FromFlatDataAndDimensions(weight, out, in))
	require.NoError(t, err)
	require.Equal(t, []int{rows, out}, y.Shape().Dimensions)
	return tensors.MustCopyFlatData[bfloat16.BFloat16](y)
}

func TestMultiplyGivesTheProduct(t *testing.T) {
	dev := own(t)
	for _, in := range []int{1, 31, 32, 100, 1024, 1025, 2500} {
		for _, out := range []int{1, 7, 8, 35, 130} {
			for _, rows := range []int{1, 2, 3, 4, 7, 32, 70, 100} {
				x, weight := arbitrary(1, rows*in), arbitrary(2, out*in)
				for i, y := range multiplied(t, dev, x, weight, in) {
					row, column := x[i/out*in:][:in], weight[i%out*in:][:in]
					var want, size float64
					for k := range in {
						term := float64(row[k].Float32()) * float64(column[k].Float32())
						want += term
						size += math.Abs(term)
					}
					// A result has 8 bits, the sums have 24.
					if allowed := math.Abs(want)/256 + size*1e-6; !(math.Abs(float64(y.Float32())-want) <= allowed) {
						t.Fatalf("%d rows of %d, %d columns: element %d is %v and not %v", rows, in, out, i, y, want)
					}
				}
			}
		}
	}
}

// A reply must not depend on the others in its batch.
func TestMultiplyGivesARowTheSameBitsBesideAnyOthers(t *testing.T) {
	const most, out = 200, 72
	dev := own(t)
	for _, in := range []int{100, 2048, 5632} {
		x, weight := arbitrary(3, most*in), arbitrary(4, out*in)
		want := multiplied(t, dev, x, weight, in)
		for _, rows := range []int{1, 2, 3, 4, 5, 31, 96, 97} {
			first := most - rows
			require.Equal(t, want[first*out:], multiplied(t, dev, x[first*in:], weight, in), "%d rows of %d", rows, in)
		}
	}
}

// Leading axes stay as they are, and a loop's body can call the kernel as well.
func TestMultiplyInALoop(t *testing.T) {
	dev := own(t)
	half := bfloat16.FromFloat32(0.5)
	weight := [][]bfloat16.BFloat16{{0, half}, {half, 0}} // swaps two numbers and halves them
	y, err := graph.CallOnce(dev.Backend(), func(x, weight *graph.Node) *graph.Node {
		g := x.Graph()
		state := func(g *graph.Graph) (i, now, w *graph.Node) {
			return graph.Parameter(g, "i", graph.Const(g, int32(0)).Shape()), graph.Parameter(g, "x", x.Shape()), graph.Parameter(g, "w", weight.Shape())
		}
		more := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
			i, _, _ := state(g)
			return []*graph.Node{graph.LessThan(i, graph.Const(g, int32(3)))}
		})
		step := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
			i, now, w := state(g)
			next, ok := dev.Multiply(now, w)
			require.True(t, ok)
			return []*graph.Node{graph.AddScalar(i, 1), next, w}
		})
		return graph.ConvertDType(graph.While(more, step, graph.Const(g, int32(0)), x, weight)[1], dtypes.Float32)
	}, tensors.FromFlatDataAndDimensions([]bfloat16.BFloat16{bfloat16.FromFloat32(8), bfloat16.FromFloat32(16)}, 1, 1, 2), weight)
	require.NoError(t, err)
	require.Equal(t, [][][]float32{{{2, 1}}}, y.Value())
}

// Compiled graphs may run at the same time, and share XLA's threads.
func TestMultiplyInManyGraphsAtOnce(t *testing.T) {
	const in, out, calls = 512, 1000, 50
	dev := own(t)
	weight := arbitrary(5, out*in)
	run := func(rows int) error {
		exec, err := graph.NewExec(dev.Backend(), func(x, weight *graph.Node) []*graph.Node {
			a, _ := dev.Multiply(x, weight)
			b, _ := dev.Multiply(graph.Neg(x), weight) // may run beside the first
			var all []*graph.Node
			for _, y := range []*graph.Node{graph.Add(a, b), a} {
				all = append(all, graph.ConvertDType(graph.ReduceAllMax(graph.Abs(y)), dtypes.Float32))
			}
			return all
		})
		if err != nil {
			return err
		}
		defer exec.Finalize()
		x := arbitrary(uint64(rows), rows*in)
		for range calls {
			y, err := exec.Call(tensors.FromFlatDataAndDimensions(x, rows, in), tensors.FromFlatDataAndDimensions(weight, out, in))
			if err != nil {
				return err
			}
			if sum, most := y[0].Value().(float32), y[1].Value().(float32); sum != 0 || most < 10 {
				return fmt.Errorf("%d rows: x·w + (-x)·w is up to %g, x·w up to %g", rows, sum, most)
			}
		}
		return nil
	}
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = run(i + 1) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

func TestProductsAreLeftToXLAWhereTheyMust(t *testing.T) {
	refuses := func(dev *device.Device, dtype dtypes.DType) {
		require.False(t, dev.HasKernels(dtype))
		sum, err := graph.CallOnce(dev.Backend(), func(x *graph.Node) *graph.Node {
			x = graph.ConvertDType(x, dtype)
			_, ok := dev.Multiply(x, x)
			require.False(t, ok)
			return graph.ConvertDType(graph.ReduceAllSum(x), dtypes.Float32)
		}, [][]float32{{1, 2}, {3, 4}})
		require.NoError(t, err)
		require.Equal(t, float32(10), sum.Value())
	}
	refuses(devicetest.Open(t), dtypes.Float32)
	dev, err := device.Open(device.Options{Backend: "xla:cpu,own_kernels=false"})
	require.NoError(t, err)
	defer dev.Close()
	refuses(dev, dtypes.BFloat16)
	_, err = device.Open(device.Options{Backend: "xla:cpu,own_kernels=perhaps"})
	require.ErrorContains(t, err, "own_kernels")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestEveryDeviceHasTheKernel(t *testing.T) {
	own(t)
	second, err := device.Open(device.Options{})
	require.NoError(t, err)
	defer second.Close()
	require.True(t, second.HasKernels(dtypes.BFloat16))
	half, four := bfloat16.FromFloat32(0.5), bfloat16.FromFloat32(4)
	require.Equal(t, []bfloat16.BFloat16{bfloat16.FromFloat32(2)}, multiplied(t, second, []bfloat16.BFloat16{half}, []bfloat16.BFloat16{four}, 1))
}
