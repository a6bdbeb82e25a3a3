package arch

import (
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
	design  design
	weights Weights
	cache   keyValues
	rotary  map[rope]rotation
	one     *graph.Node         // float32 scalar 1 that XLA can't know to be one; nil in training
	visible map[int]*graph.Node // by window: bool [B or 1, 1, 1, T, C], which columns a token sees

	kernels       Kernels     // of the device
	start, column *graph.Node // what a pass through a cache was given; nil in one without
	lastOnly      bool        // of the last block, only what it gives for the last token is asked for
	pictures      pictures    // what comes in the place of tokens
}

// newDecoder makes what the blocks look up, once for all blocks of a kind:
// rotations by positions float32 [B, T], and what visible gives for a window.
func newDecoder(c checkpoint.Config, w Weights, cache keyValues, positions *graph.Node, visible func(window int) *graph.Node) decoder {
	d := decoder{
		config: c, design: designOf(c), weights: w, cache: cache, kernels: NoKernels{},
		rotary: map[rope]rotation{}, visible: map[int]*graph.Node{},
	}
	for _, l := range d.design.layers {
		if _, made := d.rotary[l.rope]; !made {
			d.rotary[l.rope] = newRotation(l.rope, c.HeadDim, positions, w[embeddingName].DType())
		}
		if d.visible[l.window] == nil {
			d.visible[l.window] = visible(l.window)
		}
	}
	return d
}

// run passes tokens int32 [B, T] through all blocks and the final norm, giving
// hidden states [B, T, D].
func (d decoder) run(tokens *graph.Node) *graph.Node {
	x := d.embed(tokens)
	for i := range d.config.NumHiddenLayers {
		x = d.block(i, d.arrive(i, x))
	}
	return d.norm(x, finalNormName)
}

// arrive is the residual stream x [B, T, D] as it comes to a block: multiplied by the
// hop's scale, on a path. That is done in float32, and a scale of 1 changes no bit.
func (d decoder) arrive(i int, x *graph.Node) *graph.Node {
	scales := d.weights[hopScalesName]
	if scales == nil {
		return x
	}
	scale := graph.Reshape(graph.Slice(scales, graph.AxisElem(i)), 1, 1, 1)
	return graph.ConvertDType(graph.Mul(graph.ConvertDType(x, dtypes.Float32), scale), x.DType())
}

// embed looks up tokens int32 [B, T], giving [B, T, D].
func (d decoder) embed(tokens *graph.Node) *graph.Node {
	return d.pictures.place(d.lookUp(d.pictures.withoutTokens(tokens)))
}

// lookUp gives the embeddings of tokens int32 [B, T].
func (d decoder) lookUp(tokens *graph.Node) *graph.Node {
	x := graph.Gather(d.weights[embeddingName], graph.ExpandDims(tokens, -1))
	if d.design.embeddingScale != 0 {
		x = graph.MulScalar(x, d.design.embeddingScale)
	}
	return x
}

// block is one transformer block: attention, then the feed-forward net, each
// on normed input and added to the residual stream [B, T, D]. The names of the
// norms are those of the checkpoints, where a norm after attention comes before
// the feed-forward net in Llama and before the sum in Gemma.
func (d decoder) block(i int, x *graph.Node) *graph.Node {
	mixed, x := d.attention(i, d.norm(x, blockParam(i, "input_layernorm")), x)
	if d.design.branchNorms {
		x = graph.Add(x, d.norm(d.linear(i, mixed, "self_attn.o_proj"), blockParam(i, "post_attention_layernorm")))
		h := d.gated(i, d.norm(x, blockParam(i, "pre_feedforward_layernorm")))
		return graph.Add(x, d.norm(d.linear(i, h, "mlp.down_proj"), blockParam(i, "post_feedforward_layernorm")))
	}
	x = d.linearOnto(i, x, mixed, "self_attn.o_proj")
	h := d.gated(i, d.norm(x, blockParam(i, "post_attention_layernorm")))
	return d.linearOnto(i, x, h, "mlp.down_proj")
}

// norm is RMSNorm over the last axis. The mean square is taken in float32
// whatever the dtype. The root is written as 1/sqrt because GoMLX has no gradient
// for rsqrt. Weights that count from an offset are applied before rounding to
// the dtype, others after it, as transformers does.
func (d decoder) norm(x *graph.Node, name string) *graph.Node {
	if y, ok := d.kernels.Norm(x, d.weights[name], d.config.RMSNormEps, d.design.normOffset); ok {
		return y
	}
	wide := graph.ConvertDType(x, dtypes.Float32)
	mean := graph.ReduceAndKeep(graph.Mul(wide, wide), graph.ReduceMean, -1)
	wide = graph.Mul(wide, graph.Inverse(graph.Sqrt(graph.AddScalar(mean, d.config.RMSNormEps))))
	scale := graph.ExpandLeftToRank(d.weights[name], x.Rank())
	if d.design.normOffset != 0 {
		scale = graph.AddScalar(graph.ConvertDType(scale, dtypes.Float32), d.design.normOffset)
		return graph.ConvertDType(graph.Mul(wide, scale), x.DType())
	}
	return graph.Mul(graph.ConvertDType(wide, x.DType()), scale)
}

// linear is x [..., in] times a block's weight, stored [out, in], and its bias
// [out], if it has one.
func (d decoder) linear(i int, x *graph.Node, name string) *graph.Node {
	return d.biased(i, d.product(x, d.weights[blockParam(i, name)]), name)
}

// biased adds a block's bias to y [..., out], if it has one of that name.
func (d decoder) biased(i int, y *graph.Node, name string) *graph.Node {
	if bias := d.weights[blockBias(i, name)]; bias != nil {
		y = graph.Add(y, graph.ExpandLeftToRank(bias, y.Rank()))
	}
	return y
}

// linearOnto is what linear gives added to `to`.
func (d decoder) linearOnto(i int, to, x *graph.Node, name string) *graph.Node {
	if d.weights[blockBias(i, name)] == nil {
		if y, ok := d.kernels.MultiplyOnto(to, x, d.weights[blockParam(i, name)]); ok {
			return y
		}
	}
	return graph.Add(to, d.linear(i, x, name))
}

// linears is linear of the same x for several weights.
func (d decoder) linears(i int, x *graph.Node, names ...string) []*graph.Node {
	weights, all := make([]*graph.Node, len(names)), make([]*graph.Node, len(names))
	for n, name := range names {
		weights[n] = d.weights[blockParam(i, name)]
	}
	together, ok := d.kernels.Multiply(x, weights...)
	begin := 0
	for n, name := range names {
		if !ok {
			all[n] = d.linear(i, x, name)
			continue
		}
		width := weights[n].Shape().Dim(0)
		all[n] = graph.Slice(together, graph.AxisRange().Spacer(), graph.AxisRange(begin, begin+width))
		all[n] = d.biased(i, all[n], name)
		begin += width
	}
	return all
}

// A product has few rows, and a large weight, up to and from these numbers.
const (
	fewRows     = 64
	largeWeight = 1 << 18 // elements
)

// product is x [..., in] times a weight stored [out, in]: by our own kernel, or else
// by XLA, which all of the following is about.
//
// It leaves the accumulator in the weights' dtype. The kernels sum up in float32
// all the same; asking for it by name makes XLA on a CPU widen both sides first,
// off its fast path for bfloat16.
//
// With few rows it is a large weight, read once, that takes the time, and XLA's kernel
// for a CPU reads its left side faster than its right. Turned round again, such a
// product would become the usual one in XLA's hands; a factor of one that XLA
// can't know keeps it from that.
func (d decoder) product(x, weight *graph.Node) *graph.Node {
	if y, ok := d.kernels.Multiply(x, weight); ok {
		return y
	}
	rows := x.Shape().Size() / x.Shape().Dim(-1)
	if rows > fewRows || weight.Shape().Size() < largeWeight || d.one == nil {
		return graph.Dot(x, weight).WithAccumulatorDType(x.DType()).General([]int{x.Rank() - 1}, nil, []int{1}, nil)
	}
	flat := graph.Reshape(x, rows, x.Shape().Dim(-1))
	y := graph.Dot(weight, flat).WithAccumulatorDType(x.DType()).General([]int{1}, nil, []int{1}, nil)
	y = graph.TransposeAllAxes(graph.Mul(y, graph.ConvertDType(d.one, y.DType())), 1, 0)
	dims := append([]int{}, x.Shape().Dimensions...)
	dims[len(dims)-1] = weight.Shape().Dim(0)
	return graph.Reshape(y, dims...)
}

// heads splits a projection [B, T, n·E] into heads [B, T, n, E].
func (d decoder) heads(x *graph.Node) *graph.Node {
	return graph.Reshape(x, x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)/d.config.HeadDim, d.config.HeadDim)
}

// attention is grouped-query attention of h [B, T, D] over the visible columns, before
// the projection of what it gives, and the residual stream x where it is to be added:
// both of the last token alone where no other's is asked for.
func (d decoder) attention(i int, h, x *graph.Node) (mixed, stream *graph.Node) {
	c, layer := d.config, d.design.layers[i]
	names := []string{"self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj"}
	var k, v, q *graph.Node
	if d.lastOnly && i == c.NumHiddenLayers-1 && h.Shape().Dim(1) > 1 {
		both := d.linears(i, h, names[:2]...)
		k, v, q = both[0], both[1], d.linear(i, lastOf(h, 1, 1), names[2])
		x = lastOf(x, 1, 1)
	} else {
		all := d.linears(i, h, names...)
		k, v, q = all[0], all[1], all[2]
	}
	k, v, q = d.heads(k), d.heads(v), d.heads(q)
	if d.design.headNorms {
		q = d.norm(q, blockParam(i, "self_attn.q_norm"))
		k = d.norm(k, blockParam(i, "self_attn.k_norm"))
	}
	rotary := d.rotary[layer.rope]
	q = rotary.last(q.Shape().Dim(1)).apply(q)
	keys, values := d.cache.look(i, rotary.apply(k), v)
	return d.attend(layer, q, keys, values), x
}

// attend is attention of queries [B, T, H, E] over keys and values [B, K, C, E], giving
// [B, T, H·E].
func (d decoder) attend(layer layer, q, keys, values *graph.Node) *graph.Node {
	c := d.config
	b, t := q.Shape().Dim(0), q.Shape().Dim(1)
	visible := d.visible[layer.window]
	if d.column != nil {
		column := d.column
		if ahead := visible.Shape().Dim(3) - t; ahead > 0 {
			column = graph.AddScalar(column, ahead)
		}
		if y, ok := d.kernels.Attend(q, keys, values, d.start, column, d.design.scoreScale, d.design.scoreCap, layer.window); ok {
			return graph.Reshape(y, b, t, c.NumAttentionHeads*c.HeadDim)
		}
	}
	group := c.NumAttentionHeads / c.NumKeyValueHeads
	// One plain batch of products, with the rows of a group's queries together,
	// is what XLA has a fast kernel for.
	heads, columns := b*c.NumKeyValueHeads, keys.Shape().Dim(2)
	q = graph.TransposeAllAxes(graph.Reshape(q, b, t, c.NumKeyValueHeads, group, c.HeadDim), 0, 2, 3, 1, 4)
	q = graph.Reshape(q, heads, group*t, c.HeadDim)
	keys, values = graph.Reshape(keys, heads, columns, c.HeadDim), graph.Reshape(values, heads, columns, c.HeadDim)
	scores := graph.Reshape(graph.ConvertDType(batched(q, keys, 2), dtypes.Float32), b, c.NumKeyValueHeads, group, t, columns)
	scores = softCap(graph.MulScalar(scores, d.design.scoreScale), d.design.scoreCap)
	low := graph.BroadcastToShape(graph.Const(q.Graph(), float32(masked)), scores.Shape())
	visible = lastOf(visible, 3, t)
	scores = graph.Where(graph.BroadcastToDims(visible, scores.Shape().Dimensions...), scores, low)
	shares := graph.Reshape(graph.ConvertDType(graph.Softmax(scores, -1), values.DType()), heads, group*t, columns)
	mixed := graph.Reshape(batched(shares, values, 1), b, c.NumKeyValueHeads, group, t, c.HeadDim)
	mixed = graph.TransposeAllAxes(mixed, 0, 3, 1, 2, 4)
	return graph.Reshape(mixed, b, t, c.NumAttentionHeads*c.HeadDim)
}

// lastOf gives the last n of an axis.
func lastOf(x *graph.Node, axis, n int) *graph.Node {
	if x.Shape().Dim(axis) == n {
		return x
	}
	return graph.SliceAxis(x, axis, graph.AxisRange(-n))
}

// batched multiplies x [N, M, A] with each of y, contracting y's given axis.
func batched(x, y *graph.Node, axis int) *graph.Node {
	return graph.Dot(x, y).WithAccumulatorDType(x.DType()).General([]int{2}, []int{0}, []int{axis}, []int{0})
}

// gated is a gated net before its last projection: act(gate(h)) * up(h).
func (d decoder) gated(i int, h *graph.Node) *graph.Node {
	const gateName, upName = "mlp.gate_proj", "mlp.up_proj"
	if d.weights[blockBias(i, gateName)] == nil {
		if y, ok := d.kernels.MultiplyGated(d.config.HiddenAct, h, d.weights[blockParam(i, gateName)], d.weights[blockParam(i, upName)]); ok {
			return y
		}
	}
	return graph.Mul(d.design.activation(d.linear(i, h, gateName)), d.linear(i, h, upName))
}

// head gives the logits float32 [..., V] of final hidden states [..., D].
func (d decoder) head(x *graph.Node) *graph.Node {
	weight := d.weights[headName]
	if d.config.TieWordEmbeddings {
		weight = d.weights[embeddingName]
	}
	return softCap(graph.ConvertDType(d.product(x, weight), dtypes.Float32), d.design.logitCap)
}
