package arch

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// See makes of pictures what stands in the place of tokens: of each tile in pixels
// float32 [N, 3, S, S], normalised as the model wants it, the states [N, P, D] of its
// patches, row by row, D being the decoder's width (see [Seeing]). It computes in the
// weights' dtype, norms and softmax in float32, and can be differentiated.
//
// Source: transformers, models/clip/modeling_clip.py and models/llava_next.
func See(v checkpoint.VisionConfig, w Weights, pixels *graph.Node) *graph.Node {
	t := tower{config: v, weights: w}
	return t.project(t.features(pixels))
}

// tower is what the steps of a pass share. In its comments H is the width of the
// residual stream, A heads, E their width, L a tile's states: one for each patch, and
// before them that of the class embedding.
type tower struct {
	config  checkpoint.VisionConfig
	weights Weights
}

// features gives the states that the projector is to see, [N, P, H·layers].
func (t tower) features(pixels *graph.Node) *graph.Node {
	blocks := t.config.NumHiddenLayers
	wanted, deepest := make([]int, len(t.config.FeatureLayers)), 0
	for i, layer := range t.config.FeatureLayers {
		if layer < 0 {
			layer += blocks + 1
		}
		wanted[i], deepest = layer, max(deepest, layer)
	}
	states := []*graph.Node{t.norm(t.embed(pixels), towerFirstNorm)}
	for i := range deepest { // blocks above the last one that is asked for need not be computed
		states = append(states, t.block(i, states[i]))
	}
	chosen := make([]*graph.Node, len(wanted))
	for i, layer := range wanted {
		chosen[i] = states[layer]
		if !t.config.KeepClass {
			chosen[i] = graph.SliceAxis(states[layer], 1, graph.AxisRange(1))
		}
	}
	if len(chosen) == 1 {
		return chosen[0]
	}
	return graph.Concatenate(chosen, -1)
}

// embed cuts tiles into patches and gives [N, L, H]. The convolution of the files has
// steps as wide as its kernel, so that it is a product.
func (t tower) embed(pixels *graph.Node) *graph.Node {
	class := t.weights[classEmbedding]
	n, side, patch, hidden := pixels.Shape().Dim(0), t.config.Side(), t.config.PatchSize, t.config.HiddenSize
	x := graph.Reshape(graph.ConvertDType(pixels, class.DType()), n, 3, side, patch, side, patch)
	x = graph.TransposeAllAxes(x, 0, 2, 4, 1, 3, 5)
	x = graph.Reshape(x, n, side*side, 3*patch*patch)
	x = times(x, graph.Reshape(t.weights[patchEmbedding+".weight"], hidden, 3*patch*patch))
	class = graph.BroadcastToDims(graph.Reshape(class, 1, 1, hidden), n, 1, hidden)
	x = graph.Concatenate([]*graph.Node{class, x}, 1)
	return graph.Add(x, graph.ExpandLeftToRank(t.weights[positionEmbedding+".weight"], x.Rank()))
}

// block is one block of the tower on x [N, L, H].
func (t tower) block(i int, x *graph.Node) *graph.Node {
	x = graph.Add(x, t.attention(i, t.norm(x, towerPart(i, "layer_norm1"))))
	h := t.linear(t.norm(x, towerPart(i, "layer_norm2")), towerPart(i, "mlp.fc1"))
	return graph.Add(x, t.linear(activate(t.config.HiddenAct, h), towerPart(i, "mlp.fc2")))
}

// attention is that of all states of a tile to one another.
func (t tower) attention(i int, x *graph.Node) *graph.Node {
	heads := t.config.NumAttentionHeads
	n, l, width := x.Shape().Dim(0), x.Shape().Dim(1), t.config.HiddenSize/heads
	part := func(name string) *graph.Node {
		y := graph.Reshape(t.linear(x, towerPart(i, "self_attn."+name)), n, l, heads, width)
		return graph.Reshape(graph.TransposeAllAxes(y, 0, 2, 1, 3), n*heads, l, width)
	}
	q, k, v := part("q_proj"), part("k_proj"), part("v_proj")
	scores := graph.MulScalar(graph.ConvertDType(batched(q, k, 2), dtypes.Float32), 1/math.Sqrt(float64(width)))
	mixed := batched(graph.ConvertDType(graph.Softmax(scores, -1), v.DType()), v, 1)
	mixed = graph.TransposeAllAxes(graph.Reshape(mixed, n, heads, l, width), 0, 2, 1, 3)
	return t.linear(graph.Reshape(mixed, n, l, heads*width), towerPart(i, "self_attn.out_proj"))
}

// project gives [N, P, D] of what was seen.
func (t tower) project(x *graph.Node) *graph.Node {
	return t.linear(activate(t.config.ProjectionAct, t.linear(x, projectorFirst)), projectorSecond)
}

// norm is LayerNorm over the last axis.
func (t tower) norm(x *graph.Node, name string) *graph.Node {
	wide := graph.ConvertDType(x, dtypes.Float32)
	wide = graph.Sub(wide, graph.ReduceAndKeep(wide, graph.ReduceMean, -1))
	variance := graph.ReduceAndKeep(graph.Mul(wide, wide), graph.ReduceMean, -1)
	wide = graph.Mul(wide, graph.Inverse(graph.Sqrt(graph.AddScalar(variance, t.config.LayerNormEps))))
	of := func(kind string) *graph.Node {
		return graph.ExpandLeftToRank(graph.ConvertDType(t.weights[name+kind], dtypes.Float32), x.Rank())
	}
	return graph.ConvertDType(graph.Add(graph.Mul(wide, of(".weight")), of(".bias")), x.DType())
}

// linear is x [..., in] times a weight [out, in], with its bias, if it has one.
func (t tower) linear(x *graph.Node, name string) *graph.Node {
	y := times(x, t.weights[name+".weight"])
	if bias := t.weights[name+".bias"]; bias != nil {
		y = graph.Add(y, graph.ExpandLeftToRank(bias, y.Rank()))
	}
	return y
}

// times is x [..., in] times a weight [out, in], with the accumulator in their dtype;
// decoder.product says why.
func times(x, weight *graph.Node) *graph.Node {
	return graph.Dot(x, weight).WithAccumulatorDType(x.DType()).General([]int{x.Rank() - 1}, nil, []int{1}, nil)
}

// activate applies the function that a vision config names, in float32.
func activate(name string, x *graph.Node) *graph.Node {
	return graph.ConvertDType(activations[name](graph.ConvertDType(x, dtypes.Float32)), x.DType())
}
