package arch

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// masked is what a score becomes where a token must not look: low enough that
// its softmax weight is exactly zero, finite so that a row without any visible
// column (padding) gives numbers, not NaN.
const masked = -1e9

// keyValues gives a block the keys and values that its queries look at, having
// been shown those of the tokens at hand: k, v [B, T, K, E] in, [B, K, C, E] out.
type keyValues interface {
	look(block int, k, v *graph.Node) (keys, values *graph.Node)
}

// decoder is what the blocks of one pass share.
type decoder struct {
	config  checkpoint.Config
	weights Weights
	rotary  rotation
	visible *graph.Node // bool [B or 1, 1, 1, T, C]: which columns a token sees
	cache   keyValues
}

// run passes hidden states [B, T, D] through all blocks and the final norm.
func (d decoder) run(x *graph.Node) *graph.Node {
	for i := range d.config.NumHiddenLayers {
		x = d.block(i, x)
	}
	return d.norm(x, finalNormName)
}

// block is one transformer block: attention, then the feed-forward net, each
// on normed input and added to the residual stream [B, T, D].
func (d decoder) block(i int, x *graph.Node) *graph.Node {
	h := d.norm(x, blockParam(i, "input_layernorm"))
	x = graph.Add(x, d.attention(i, h))
	h = d.norm(x, blockParam(i, "post_attention_layernorm"))
	return graph.Add(x, d.feedForward(i, h))
}

// norm is RMSNorm. The mean square is taken in float32 whatever the dtype. The
// root is written as 1/sqrt because GoMLX has no gradient for rsqrt.
func (d decoder) norm(x *graph.Node, name string) *graph.Node {
	wide := graph.ConvertDType(x, dtypes.Float32)
	mean := graph.ReduceAndKeep(graph.Mul(wide, wide), graph.ReduceMean, -1)
	wide = graph.Mul(wide, graph.Inverse(graph.Sqrt(graph.AddScalar(mean, d.config.RMSNormEps))))
	scale := graph.Reshape(d.weights[name], 1, 1, d.config.HiddenSize)
	return graph.Mul(graph.ConvertDType(wide, x.DType()), scale)
}

// linear is x [B, T, in] times a weight stored [out, in].
func (d decoder) linear(x *graph.Node, name string) *graph.Node {
	return linear(x, d.weights[name])
}

// fewRows is how many rows a product may have for the weight to come first.
const fewRows = 64

// linear leaves the accumulator in the weights' dtype. The kernels sum up in
// float32 all the same; asking for it by name makes XLA on a CPU widen both sides
// first, off its fast path for bfloat16.
//
// With few rows it is the weight, read once, that takes the time, and XLA's kernel
// for a CPU reads its left side faster than its right.
func linear(x, weight *graph.Node) *graph.Node {
	rows := x.Shape().Size() / x.Shape().Dim(-1)
	if rows > fewRows {
		return graph.Dot(x, weight).WithAccumulatorDType(x.DType()).General([]int{x.Rank() - 1}, nil, []int{1}, nil)
	}
	flat := graph.Reshape(x, rows, x.Shape().Dim(-1))
	y := graph.Dot(weight, flat).WithAccumulatorDType(x.DType()).General([]int{1}, nil, []int{1}, nil)
	dims := append([]int{}, x.Shape().Dimensions...)
	dims[len(dims)-1] = weight.Shape().Dim(0)
	return graph.Reshape(graph.TransposeAllAxes(y, 1, 0), dims...)
}

// attention is grouped-query attention of h [B, T, D] over the visible columns.
func (d decoder) attention(i int, h *graph.Node) *graph.Node {
	c := d.config
	b, t := h.Shape().Dim(0), h.Shape().Dim(1)
	group := c.NumAttentionHeads / c.NumKeyValueHeads
	q := d.rotary.apply(graph.Reshape(d.linear(h, blockParam(i, "self_attn.q_proj")), b, t, c.NumAttentionHeads, c.HeadDim))
	k := d.rotary.apply(graph.Reshape(d.linear(h, blockParam(i, "self_attn.k_proj")), b, t, c.NumKeyValueHeads, c.HeadDim))
	v := graph.Reshape(d.linear(h, blockParam(i, "self_attn.v_proj")), b, t, c.NumKeyValueHeads, c.HeadDim)
	keys, values := d.cache.look(i, k, v)

	// One plain batch of products, with the rows of a group's queries together,
	// is what XLA has a fast kernel for.
	heads, columns := b*c.NumKeyValueHeads, keys.Shape().Dim(2)
	q = graph.TransposeAllAxes(graph.Reshape(q, b, t, c.NumKeyValueHeads, group, c.HeadDim), 0, 2, 3, 1, 4)
	q = graph.Reshape(q, heads, group*t, c.HeadDim)
	keys, values = graph.Reshape(keys, heads, columns, c.HeadDim), graph.Reshape(values, heads, columns, c.HeadDim)
	scores := batched(q, keys, 2)
	scores = graph.Reshape(graph.ConvertDType(scores, dtypes.Float32), b, c.NumKeyValueHeads, group, t, columns)
	scores = graph.MulScalar(scores, 1/math.Sqrt(float64(c.HeadDim)))
	low := graph.BroadcastToShape(graph.Const(h.Graph(), float32(masked)), scores.Shape())
	scores = graph.Where(graph.BroadcastToShape(d.visible, withBool(scores)), scores, low)
	shares := graph.Reshape(graph.ConvertDType(graph.Softmax(scores, -1), h.DType()), heads, group*t, columns)
	mixed := graph.Reshape(batched(shares, values, 1), b, c.NumKeyValueHeads, group, t, c.HeadDim)
	mixed = graph.TransposeAllAxes(mixed, 0, 3, 1, 2, 4)
	return d.linear(graph.Reshape(mixed, b, t, c.NumAttentionHeads*c.HeadDim), blockParam(i, "self_attn.o_proj"))
}

// batched multiplies x [N, M, A] with each of y, contracting y's given axis.
func batched(x, y *graph.Node, axis int) *graph.Node {
	return graph.Dot(x, y).WithAccumulatorDType(x.DType()).General([]int{2}, []int{0}, []int{axis}, []int{0})
}

// feedForward is SwiGLU: down(silu(gate(h)) * up(h)).
func (d decoder) feedForward(i int, h *graph.Node) *graph.Node {
	gate := d.linear(h, blockParam(i, "mlp.gate_proj"))
	up := d.linear(h, blockParam(i, "mlp.up_proj"))
	return d.linear(graph.Mul(graph.Mul(gate, graph.Sigmoid(gate)), up), blockParam(i, "mlp.down_proj"))
}

// head gives the logits float32 [..., V] of final hidden states [..., D].
func head(c checkpoint.Config, w Weights, x *graph.Node) *graph.Node {
	weight := w[headName]
	if c.TieWordEmbeddings {
		weight = w[embeddingName]
	}
	return graph.ConvertDType(linear(x, weight), dtypes.Float32)
}

// embed looks up tokens int32 [B, T], giving [B, T, D].
func embed(w Weights, tokens *graph.Node) *graph.Node {
	return graph.Gather(w[embeddingName], graph.ExpandDims(tokens, -1))
}
