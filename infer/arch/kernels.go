package arch

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// Kernels knows faster ways than XLA's to what a decoder does, or says of a case that
// it knows none. What it gives for a token must not depend on the rows beside it.
type Kernels interface {
	// HasKernels tells whether there are any for a dtype.
	HasKernels(dtype dtypes.DType) bool
	// Multiply gives x [..., in] times weights stored [out, in], side by side.
	Multiply(x *graph.Node, weights ...*graph.Node) (*graph.Node, bool)
	// MultiplyOnto gives to [..., out] plus x [..., in] times a weight stored [out, in].
	MultiplyOnto(to, x, weight *graph.Node) (*graph.Node, bool)
	// MultiplyGated gives act(x·gateᵀ) times x·upᵀ, element by element.
	MultiplyGated(activation string, x, gate, up *graph.Node) (*graph.Node, bool)
	// Attend is grouped-query attention of q [B, T, H, E] over keys and values
	// [B, K, C, E], as [Extend] wants it of tokens from column on.
	Attend(q, keys, values, start, column *graph.Node, scale, cap float64, window int) (*graph.Node, bool)
	// Norm is RMSNorm of the last axis of x by a weight, which counts from an offset.
	Norm(x, weight *graph.Node, epsilon, offset float64) (*graph.Node, bool)
}

// NoKernels leaves everything to XLA.
type NoKernels struct{}

var _ Kernels = NoKernels{}

// HasKernels says no.
func (NoKernels) HasKernels(dtypes.DType) bool { return false }

// Multiply knows no way.
func (NoKernels) Multiply(*graph.Node, ...*graph.Node) (*graph.Node, bool) { return nil, false }

// MultiplyOnto knows no way.
func (NoKernels) MultiplyOnto(_, _, _ *graph.Node) (*graph.Node, bool) { return nil, false }

// MultiplyGated knows no way.
func (NoKernels) MultiplyGated(string, *graph.Node, *graph.Node, *graph.Node) (*graph.Node, bool) {
	return nil, false
}

// Attend knows no way.
func (NoKernels) Attend(_, _, _, _, _ *graph.Node, _, _ float64, _ int) (*graph.Node, bool) {
	return nil, false
}

// Norm knows no way.
func (NoKernels) Norm(_, _ *graph.Node, _, _ float64) (*graph.Node, bool) { return nil, false }
