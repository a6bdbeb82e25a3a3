package device

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/device/kernel"
)

// registerKernels makes our own kernels known to the plugin of a backend's
// configuration, so that compiled graphs can call them.
func (d *Device) registerKernels(config string) {
	if !kernel.Supported() {
		d.log.Info("this processor has no AVX512-BF16: everything is computed by XLA's kernels")
		return
	}
	_, plugin, _ := strings.Cut(config, ":")
	plugin, _, _ = strings.Cut(plugin, ",")
	if err := kernel.Register(plugin); err != nil {
		d.missKernels(fmt.Errorf("register them with %s: %w", plugin, err))
		return
	}
	d.kernels = true
}

// missKernels notes and logs, the first time, why there are no kernels where there
// ought to be.
func (d *Device) missKernels(err error) {
	if d.problem.CompareAndSwap(nil, &err) {
		d.log.Warn("our own kernels can't be used: everything is computed by XLA's, more slowly", "error", err)
	}
}

// KernelProblem says why kernels are not used that this processor could run and nobody
// has turned off; nil if all is well.
func (d *Device) KernelProblem() error {
	if err := d.problem.Load(); err != nil {
		return *err
	}
	return nil
}

// HasKernels tells whether this device has kernels of our own for a dtype (package
// kernel). If it has none, the methods that build calls of them leave what they are
// asked for to the caller.
func (d *Device) HasKernels(dtype dtypes.DType) bool { return d.kernels && dtype == dtypes.BFloat16 }

// call builds a call of a kernel that gives a tensor of this shape.
func (d *Device) call(target string, shape shapes.Shape, operands ...*graph.Node) (*graph.Node, bool) {
	if !d.HasKernels(shape.DType) {
		return nil, false
	}
	y, err := customCall(target, shape, operands...)
	if err != nil {
		d.missKernels(fmt.Errorf("call them from graphs: %w", err))
		return nil, false
	}
	return y, true
}

// sameDType tells whether nodes are of one dtype.
func sameDType(first *graph.Node, others ...*graph.Node) bool {
	for _, n := range others {
		if n.DType() != first.DType() {
			return false
		}
	}
	return true
}

// withLast is the shape of x with another last axis.
func withLast(x *graph.Node, width int) shapes.Shape {
	dims := append([]int{}, x.Shape().Dimensions...)
	dims[len(dims)-1] = width
	return shapes.Make(x.DType(), dims...)
}

// Multiply gives x [..., in] times weights stored [out, in], side by side: the result
// is [..., sum of out].
func (d *Device) Multiply(x *graph.Node, weights ...*graph.Node) (*graph.Node, bool) {
	if len(weights) > kernel.MostWeights || !sameDType(x, weights...) {
		return nil, false
	}
	columns := 0
	for _, w := range weights {
		columns += w.Shape().Dim(0)
	}
	return d.call(kernel.Product, withLast(x, columns), append([]*graph.Node{x}, weights...)...)
}

// MultiplyOnto gives to [..., out] plus x [..., in] times a weight stored [out, in],
// rounded once.
func (d *Device) MultiplyOnto(to, x, weight *graph.Node) (*graph.Node, bool) {
	if !sameDType(x, weight, to) {
		return nil, false
	}
	return d.call(kernel.ProductAdded, to.Shape(), x, weight, to)
}

// MultiplyGated gives act(x·gateᵀ) times x·upᵀ, rounded once, for weights stored
// [out, in] and the activations that checkpoints call "silu" and "gelu_pytorch_tanh".
func (d *Device) MultiplyGated(activation string, x, gate, up *graph.Node) (*graph.Node, bool) {
	target := map[string]string{
		"silu": kernel.ProductSiLU, "swish": kernel.ProductSiLU, "gelu_pytorch_tanh": kernel.ProductGELU,
	}[activation]
	if target == "" || !sameDType(x, gate, up) {
		return nil, false
	}
	return d.call(target, withLast(x, gate.Shape().Dim(0)), x, gate, up)
}

// Attend is grouped-query attention of q [B, T, H, E] over keys and values
// [B, K, C, E]. Token t lies in column column+t (int32 scalar), and in row b sees the
// columns from start[b] on (int32 [B]) up to its own; with a window above 0 only the
// last ones. Scores are multiplied by scale, and bounded softly unless cap is 0.
func (d *Device) Attend(q, keys, values, start, column *graph.Node, scale, cap float64, window int) (*graph.Node, bool) {
	if q.Shape().Dim(-1) > kernel.MostWidth || window >= 1<<24 || !sameDType(q, keys, values) {
		return nil, false
	}
	settings := graph.Const(q.Graph(), []float32{float32(scale), float32(cap), float32(window)})
	return d.call(kernel.Attention, q.Shape(), q, keys, values, start, column, settings)
}

// Norm is RMSNorm of the last axis of x by a weight, which counts from an offset.
func (d *Device) Norm(x, weight *graph.Node, epsilon, offset float64) (*graph.Node, bool) {
	if !sameDType(x, weight) {
		return nil, false
	}
	settings := graph.Const(x.Graph(), []float32{float32(epsilon), float32(offset)})
	return d.call(kernel.Norm, x.Shape(), x, weight, settings)
}
