package arch

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Weights are a model's parameters as nodes of a graph, by Hugging Face name.
type Weights map[string]*graph.Node

// Part is a coarse place in a decoder.
type Part int

// The parts of a decoder, in the order in which tokens pass through them.
const (
	Embedding Part = iota // the input embedding
	Block                 // a transformer block
	Head                  // the final norm and the output embedding
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

// Names of the tensors outside the blocks.
const (
	embeddingName = "model.embed_tokens.weight"
	finalNormName = "model.norm.weight"
	headName      = "lm_head.weight"
)

// blockParam is the name of a block's tensor.
func blockParam(block int, name string) string {
	return fmt.Sprintf("model.layers.%d.%s.weight", block, name)
}

// Params lists the tensors of a model in a fixed order. A tied head is the
// embedding and not listed again.
func Params(c checkpoint.Config) []Param {
	hidden, inner := c.HiddenSize, c.IntermediateSize
	queries, keys := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	params := []Param{{embeddingName, []int{c.VocabSize, hidden}, Group{Part: Embedding}}}
	for i := range c.NumHiddenLayers {
		for _, p := range []struct {
			name  string
			shape []int
		}{
			{"input_layernorm", []int{hidden}},
			{"self_attn.q_proj", []int{queries, hidden}},
			{"self_attn.k_proj", []int{keys, hidden}},
			{"self_attn.v_proj", []int{keys, hidden}},
			{"self_attn.o_proj", []int{hidden, queries}},
			{"post_attention_layernorm", []int{hidden}},
			{"mlp.gate_proj", []int{inner, hidden}},
			{"mlp.up_proj", []int{inner, hidden}},
			{"mlp.down_proj", []int{hidden, inner}},
		} {
			params = append(params, Param{blockParam(i, p.name), p.shape, Group{Block, i}})
		}
	}
	params = append(params, Param{finalNormName, []int{hidden}, Group{Part: Head}})
	if !c.TieWordEmbeddings {
		params = append(params, Param{headName, []int{c.VocabSize, hidden}, Group{Part: Head}})
	}
	return params
}

// Bind pairs nodes with the tensors they are, in the order of [Params].
func Bind(c checkpoint.Config, nodes []*graph.Node) Weights {
	w := Weights{}
	for i, p := range Params(c) {
		w[p.Name] = nodes[i]
	}
	return w
}
