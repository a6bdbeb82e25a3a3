package arch

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// design is what a family makes of a config: all in which one decoder differs
// from another but for its sizes, which are in the config. The zero value of a
// switch is Llama's way.
type design struct {
	layers []layer // one a block

	qkvBias, outputBias, mlpBias bool // which projections have biases
	headNorms                    bool // each head of q and k is normed before it is rotated
	branchNorms                  bool // what attention and the feed-forward net give is normed before it is added

	normOffset     float64                       // what is added to a norm's weights
	embeddingScale float64                       // what embeddings are multiplied by; 0: left alone
	activation     func(*graph.Node) *graph.Node // of the feed-forward net's gate
	scoreScale     float64                       // what attention scores are multiplied by
	scoreCap       float64                       // bounds attention scores softly; 0: not
	logitCap       float64                       // bounds logits softly; 0: not
}

// layer is in what blocks of one decoder differ.
type layer struct {
	window int // a token sees so many positions, itself included; 0: all
	rope   rope
}

// families are the decoders that can be built, by model_type; package checkpoint
// has the same rows: how their configs are read.
var families = map[string]func(checkpoint.Config) design{
	"mistral":     mistral,
	"llama":       llama,
	"qwen2":       qwen2,
	"qwen3":       qwen3,
	"gemma2":      gemma2,
	"gemma3_text": gemma3,
}

// designOf looks up a config's design. A config that is valid has a family; any
// other is taken for Llama.
func designOf(c checkpoint.Config) design {
	if family, known := families[c.ModelType]; known {
		return family(c)
	}
	return llama(c)
}
