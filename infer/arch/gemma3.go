package arch

import "github.com/mergeway/mergeway/infer/checkpoint"

// gemma3 is the decoder of Gemma 3's text models: Gemma 2's with norms of the
// heads of q and k in place of the bound on scores, and a rotary embedding of
// their own, never stretched, in the blocks with a window. Source: transformers,
// models/gemma3/modeling_gemma3.py.
func gemma3(c checkpoint.Config) design {
	d := gemma2(c)
	d.headNorms, d.scoreCap = true, 0
	for i := range d.layers {
		if d.layers[i].window > 0 && c.RopeLocalTheta > 0 {
			d.layers[i].rope = rope{theta: c.RopeLocalTheta}
		}
	}
	return d
}
