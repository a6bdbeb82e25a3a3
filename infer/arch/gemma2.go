package arch

import (
	"math"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// gemma2 is the decoder of Gemma 2: norms around both halves of a block, with
// weights that count from one; embeddings scaled up; scores and logits softly
// bounded; windows in every other block. Source: transformers,
// models/gemma2/modeling_gemma2.py.
func gemma2(c checkpoint.Config) design {
	d := mistral(c)
	d.branchNorms, d.normOffset = true, 1
	d.embeddingScale = math.Sqrt(float64(c.HiddenSize))
	if c.QueryPreAttnScalar > 0 {
		d.scoreScale = 1 / math.Sqrt(c.QueryPreAttnScalar)
	}
	d.scoreCap, d.logitCap = c.AttnLogitSoftcapping, c.FinalLogitSoftcapping
	return d
}
