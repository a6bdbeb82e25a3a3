package arch

import "github.com/mergeway/mergeway/infer/checkpoint"

// qwen2 is the decoder of Qwen2 and Qwen2.5: Mistral's with biases on the
// projections of q, k and v, whatever the config says, and windows in the upper
// blocks, if any. Source: transformers, models/qwen2/modeling_qwen2.py.
func qwen2(c checkpoint.Config) design {
	d := mistral(c)
	d.qkvBias, d.outputBias = true, false
	return d
}
