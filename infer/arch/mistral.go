package arch

import "github.com/mergeway/mergeway/infer/checkpoint"

// mistral is the decoder of Mistral 7B: Llama's with a sliding window in the
// blocks. Source: transformers, models/mistral/modeling_mistral.py.
func mistral(c checkpoint.Config) design {
	d := llama(c)
	for i := range d.layers {
		d.layers[i].window = c.Window(i)
	}
	return d
}
