package arch

import "github.com/mergeway/mergeway/infer/checkpoint"

// qwen3 is the decoder of Qwen3: the heads of q and k are normed, one by one,
// and no projection has a bias unless the config says so. Source: transformers,
// models/qwen3/modeling_qwen3.py.
func qwen3(c checkpoint.Config) design {
	d := mistral(c)
	d.headNorms = true
	return d
}
