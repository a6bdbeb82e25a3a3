package arch

import (
	"math"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// llama is the decoder of Llama 1 to 3, of which the other families are
// variations: no windows, one rotary embedding, biases only if the config says
// so. Source: transformers, models/llama/modeling_llama.py.
func llama(c checkpoint.Config) design {
	layers := make([]layer, c.NumHiddenLayers)
	for i := range layers {
		layers[i].rope = rope{theta: c.RopeTheta, scaling: c.RopeScaling}
	}
	return design{
		layers:     layers,
		qkvBias:    c.AttentionBias,
		outputBias: c.AttentionBias,
		mlpBias:    c.MLPBias,
		activation: activations[c.HiddenAct],
		scoreScale: 1 / math.Sqrt(float64(c.HeadDim)),
	}
}
