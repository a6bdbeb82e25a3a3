package merge

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// The random masks of DARE and DELLA come from a counter-based generator: whether an entry
// is kept is a pure function of (seed, source, tensor, position, density),
// computed in 32-bit integers. So the same recipe draws the same mask on every
// machine, whatever is computed before it, beside it or instead of it:
//
//	key  = first 8 bytes of SHA-256("mergeway mask 1\n" seed source "\n" tensor), as two numbers
//	draw = mix(mix(position·2654435769 + key₀) ⊕ key₁)
//	keep = draw ≤ limit(density)
//
// where mix is a bijection of 32-bit numbers with near-perfect avalanche (two
// rounds of multiply and xor-shift, constants of Wellons's "lowbias32").
//
// Two consequences that a search lives on. The seed is the same in all its
// candidates, so they share their random numbers: candidates differ by their
// weights and densities, not by luck. And masks are nested: what is kept at a
// density is kept at every higher one.

// maskKey derives the key of one tensor of one source.
func maskKey(seed uint64, source, tensor string) [2]uint32 {
	text := binary.BigEndian.AppendUint64([]byte("mergeway mask 1\n"), seed)
	text = append(text, source...)
	text = append(text, '\n') // in no name
	text = append(text, tensor...)
	sum := sha256.Sum256(text)
	return [2]uint32{binary.BigEndian.Uint32(sum[:4]), binary.BigEndian.Uint32(sum[4:8])}
}

// maskLimit is the largest draw that is kept: ⌈density·2³²⌉ − 1, and not below 0.
func maskLimit(density float64) uint32 {
	return uint32(max(0, math.Ceil(density*(1<<32))-1))
}

// The constants of the generator.
const (
	weyl                           = 2654435769 // 2³² over the golden ratio, odd
	mixOne, mixTwo                 = 0x7feb352d, 0x846ca68b
	shiftOne, shiftTwo, shiftThree = 16, 15, 16
)

// drawn says which entries of x [size] are kept: bool [size]. The key is two
// uint32 scalars, the limit one, or one for each entry.
func drawn(x, key0, key1, limit *graph.Node) *graph.Node {
	g := x.Graph()
	position := graph.Iota(g, shapes.Make(dtypes.Uint32, x.Shape().Size()), 0)
	n := graph.Add(graph.Mul(position, graph.Const(g, uint32(weyl))), key0)
	n = graph.BitwiseXor(mix(n), key1)
	return graph.LessOrEqual(mix(n), limit)
}

// rankLimits gives each entry a limit of its own, on the straight line from low,
// for the smallest entry of a row, to high, for the largest: uint32 [size], as
// ranks are. In a row of one it is the middle.
func rankLimits(ranks *graph.Node, dims []int, low, high *graph.Node) *graph.Node {
	wide := func(x *graph.Node) *graph.Node { return graph.ConvertDType(x, dtypes.Float64) }
	last := 0
	if len(dims) > 0 {
		last = dims[len(dims)-1] - 1
	}
	share := graph.Scalar(ranks.Graph(), dtypes.Float64, 0.5)
	span := graph.Sub(wide(high), wide(low)) // an integer below 2³²: all of this is exact but for one division
	if last == 0 {
		share = graph.BroadcastToDims(share, ranks.Shape().Dimensions...)
		return graph.ConvertDType(graph.Add(wide(low), graph.Floor(graph.Mul(span, share))), dtypes.Uint32)
	}
	risen := graph.Floor(graph.DivScalar(graph.Mul(wide(ranks), span), float64(last)))
	return graph.ConvertDType(graph.Add(wide(low), risen), dtypes.Uint32)
}

// inverse is one over the probability that a limit stands for: float64.
func inverse(limit *graph.Node) *graph.Node {
	chances := graph.OnePlus(graph.ConvertDType(limit, dtypes.Float64))
	return graph.Div(graph.Scalar(limit.Graph(), dtypes.Float64, float64(1<<32)), chances)
}

// mix is the bijection, on uint32 nodes of any shape.
func mix(n *graph.Node) *graph.Node {
	g := n.Graph()
	n = graph.BitwiseXor(n, graph.BitwiseShiftRightLogicalScalar(n, uint32(shiftOne)))
	n = graph.Mul(n, graph.Const(g, uint32(mixOne)))
	n = graph.BitwiseXor(n, graph.BitwiseShiftRightLogicalScalar(n, uint32(shiftTwo)))
	n = graph.Mul(n, graph.Const(g, uint32(mixTwo)))
	return graph.BitwiseXor(n, graph.BitwiseShiftRightLogicalScalar(n, uint32(shiftThree)))
}
