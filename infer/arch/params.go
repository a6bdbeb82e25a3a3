package arch

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Weights are a model's parameters as nodes of a graph, by Hugging Face name.
type Weights map[string]*graph.Node

// Part is a coarse place in a model.
type Part int

// The parts of a decoder, in the order in which tokens pass through them, and what
// pictures pass through.
const (
	Embedding Part = iota // the input embedding
	Block                 // a transformer block
	Head                  // the final norm and the output embedding
	Sight                 // vision tower and projector
)

// Group is the layer group of a tensor, the unit for which merge weights and
// densities are chosen (paper, section 3.1).
type Group struct {
	Part  Part
	Block int // which block, counted from 0; 0 for the other parts
}

// Param is one tensor of a model.
type Param struct {
	Name  string // Hugging Face name
	Shape []int  // linear layers are [out, in]
	Group Group
}

// In is the tensor in the place of p in another block; p itself if it is in none.
func (p Param) In(block int) Param {
	if p.Group.Part == Block {
		tail := strings.TrimPrefix(p.Name, fmt.Sprintf("model.layers.%d.", p.Group.Block))
		p.Name, p.Group.Block = fmt.Sprintf("model.layers.%d.%s", block, tail), block
	}
	return p
}

// ByToken tells whether the tensor has a row for each token.
func (p Param) ByToken() bool { return p.Name == embeddingName || p.Name == headName }

// Names of the tensors outside the blocks.
const (
	embeddingName = "model.embed_tokens.weight"
	finalNormName = "model.norm.weight"
	headName      = "lm_head.weight"
)

// hopScalesName is no tensor of any file: what the residual stream is multiplied by
// before each block of a path.
const hopScalesName = "hop_scales"

// HopScales reports whether p are the scales of a path's hops.
func (p Param) HopScales() bool { return p.Name == hopScalesName }

// DType is what p is held in by a model of a dtype.
func (p Param) DType(model dtypes.DType) dtypes.DType {
	if p.HopScales() {
		return dtypes.Float32
	}
	return model
}

// blockParam is the name of a block's weights.
func blockParam(block int, name string) string {
	return fmt.Sprintf("model.layers.%d.%s.weight", block, name)
}

// blockBias is the name of a block's bias.
func blockBias(block int, name string) string {
	return fmt.Sprintf("model.layers.%d.%s.bias", block, name)
}

// Params lists the tensors of a model in a fixed order. A tied head is the
// embedding and not listed again.
func Params(c checkpoint.Config) []Param {
	d, hidden := designOf(c), c.HiddenSize
	params := []Param{{embeddingName, []int{c.VocabSize, hidden}, Group{Part: Embedding}}}
	for i := range c.NumHiddenLayers {
		params = append(params, blockParams(c, d, i)...)
	}
	params = append(params, Param{finalNormName, []int{hidden}, Group{Part: Head}})
	if !c.TieWordEmbeddings {
		params = append(params, Param{headName, []int{c.VocabSize, hidden}, Group{Part: Head}})
	}
	if c.HopScales {
		params = append(params, Param{hopScalesName, []int{c.NumHiddenLayers}, Group{Part: Head}})
	}
	return params
}

// blockParams lists the tensors of one block.
func blockParams(c checkpoint.Config, d design, block int) (params []Param) {
	hidden, inner := c.HiddenSize, c.IntermediateSize
	queries, keys := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	group := Group{Block, block}
	norm := func(name string, width int) {
		params = append(params, Param{blockParam(block, name), []int{width}, group})
	}
	linear := func(name string, out, in int, bias bool) {
		params = append(params, Param{blockParam(block, name), []int{out, in}, group})
		if bias {
			params = append(params, Param{blockBias(block, name), []int{out}, group})
		}
	}
	norm("input_layernorm", hidden)
	linear("self_attn.q_proj", queries, hidden, d.qkvBias)
	linear("self_attn.k_proj", keys, hidden, d.qkvBias)
	linear("self_attn.v_proj", keys, hidden, d.qkvBias)
	if d.headNorms {
		norm("self_attn.q_norm", c.HeadDim)
		norm("self_attn.k_norm", c.HeadDim)
	}
	linear("self_attn.o_proj", hidden, queries, d.outputBias)
	norm("post_attention_layernorm", hidden)
	if d.branchNorms {
		norm("pre_feedforward_layernorm", hidden)
		norm("post_feedforward_layernorm", hidden)
	}
	linear("mlp.gate_proj", inner, hidden, d.mlpBias)
	linear("mlp.up_proj", inner, hidden, d.mlpBias)
	linear("mlp.down_proj", hidden, inner, d.mlpBias)
	return params
}

// AddsProducts reports whether what a block adds to the residual stream is what its
// products with "self_attn.o_proj" and "mlp.down_proj" give, so that it grows with
// them; in other families it is normed first. Such blocks read the stream through
// "input_layernorm" and "post_attention_layernorm".
func AddsProducts(c checkpoint.Config) bool { return !designOf(c).branchNorms }

// Bind pairs nodes with the tensors they are, in the order of [Params].
func Bind(c checkpoint.Config, nodes []*graph.Node) Weights {
	w := Weights{}
	for i, p := range Params(c) {
		w[p.Name] = nodes[i]
	}
	return w
}
