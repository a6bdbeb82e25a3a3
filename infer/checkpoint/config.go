package checkpoint

import (
	"math"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
)

// Config is what config.json says of a decoder. All of it but Architectures and
// the token ids shapes the graphs. It is printed to tell one graph from another,
// so what shapes them should be a value: the engine prints what the one pointer,
// RopeScaling, leads to.
type Config struct {
	ModelType     string   // the family: a key of the table families
	Architectures []string // Hugging Face class names; kept for export

	VocabSize         int // rows of the embedding and of the head
	HiddenSize        int // width of the residual stream
	IntermediateSize  int // width inside the feed-forward net
	NumHiddenLayers   int // transformer blocks
	NumAttentionHeads int // query heads
	NumKeyValueHeads  int // key/value heads; divides NumAttentionHeads
	HeadDim           int // width of a head; HiddenSize / NumAttentionHeads unless given

	MaxPositionEmbeddings int
	RMSNormEps            float64
	RopeTheta             float64
	RopeLocalTheta        float64      // in its place, and without scaling, in blocks with a sliding window; 0: the same
	RopeScaling           *RopeScaling // nil: none
	SlidingWindow         int          // a token sees this many positions, itself included; 0: all
	SlidingLayers         []bool       // which blocks have that window; nil: all of them
	TieWordEmbeddings     bool         // the head is the embedding
	AttentionBias         bool         // the projections of q, k, v and o have biases
	MLPBias               bool         // those of the feed-forward net have
	HiddenAct             string       // "silu" (also called "swish") or "gelu_pytorch_tanh"
	DType                 dtypes.DType // of the stored weights

	QueryPreAttnScalar    float64 // attention scores are divided by its root; 0: HeadDim
	AttnLogitSoftcapping  float64 // attention scores lie within ± this; 0: anywhere
	FinalLogitSoftcapping float64 // logits lie within ± this; 0: anywhere

	// HopScales says that the model is a path through several models' blocks: what
	// comes to a block is multiplied by a number that comes with the weights. No
	// config.json says so.
	HopScales bool

	BOSTokenID  int   // -1: none
	EOSTokenIDs []int // any of these ends a reply; empty: none
}

// Window is how many positions a token sees in a block, itself included; 0: all.
func (c Config) Window(block int) int {
	if len(c.SlidingLayers) > 0 && (block >= len(c.SlidingLayers) || !c.SlidingLayers[block]) {
		return 0
	}
	return c.SlidingWindow
}

// Bounds on what a config may ask for, far above any model of the family: they
// keep a damaged or hostile file from asking for absurd allocations.
const (
	maxConfigBytes = 1 << 20
	maxDimension   = 1 << 22
	maxLayers      = 1 << 10
)

// Validate checks that the numbers make a model of a supported architecture.
// The error names the key.
func (c Config) Validate() error {
	if _, known := families[c.ModelType]; !known {
		return unknownFamily(c.ModelType)
	}
	for _, d := range []struct {
		key        string
		value, max int
	}{
		{"vocab_size", c.VocabSize, maxDimension},
		{"hidden_size", c.HiddenSize, maxDimension},
		{"intermediate_size", c.IntermediateSize, maxDimension},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumAttentionHeads, maxDimension},
		{"num_key_value_heads", c.NumKeyValueHeads, maxDimension},
		{"head_dim", c.HeadDim, maxDimension},
		{"max_position_embeddings", c.MaxPositionEmbeddings, math.MaxInt32},
	} {
		if d.value < 1 || d.value > d.max {
			return fault.Bad(d.key, "config.json: %s = %d is not in 1..%d", d.key, d.value, d.max)
		}
	}
	switch {
	case c.NumAttentionHeads%c.NumKeyValueHeads != 0:
		return fault.Bad("num_key_value_heads", "config.json: num_key_value_heads = %d does not divide num_attention_heads = %d",
			c.NumKeyValueHeads, c.NumAttentionHeads)
	case c.HeadDim%2 != 0:
		return fault.Bad("head_dim", "config.json: head_dim = %d is odd; rotary embedding needs pairs", c.HeadDim)
	case c.HiddenAct != "silu" && c.HiddenAct != "swish" && c.HiddenAct != "gelu_pytorch_tanh":
		return unsupported("hidden_act", c.HiddenAct)
	case c.SlidingWindow < 0:
		return fault.Bad("sliding_window", "config.json: sliding_window = %d is negative", c.SlidingWindow)
	case c.SlidingLayers != nil && len(c.SlidingLayers) != c.NumHiddenLayers:
		return fault.Bad("layer_types", "config.json: layer_types has %d entries for %d blocks", len(c.SlidingLayers), c.NumHiddenLayers)
	case !(c.RMSNormEps > 0 && c.RMSNormEps < 1):
		return fault.Bad("rms_norm_eps", "config.json: rms_norm_eps = %g is not in (0, 1)", c.RMSNormEps)
	case !(c.RopeTheta > 0) || math.IsInf(c.RopeTheta, 0):
		return fault.Bad("rope_theta", "config.json: rope_theta = %g is not positive", c.RopeTheta)
	}
	for _, v := range []struct {
		key   string
		value float64
	}{
		{"rope_local_base_freq", c.RopeLocalTheta},
		{"query_pre_attn_scalar", c.QueryPreAttnScalar},
		{"attn_logit_softcapping", c.AttnLogitSoftcapping},
		{"final_logit_softcapping", c.FinalLogitSoftcapping},
	} {
		if !(v.value >= 0) || math.IsInf(v.value, 0) {
			return fault.Bad(v.key, "config.json: %s = %g is not positive", v.key, v.value)
		}
	}
	if c.RopeScaling != nil {
		if err := c.RopeScaling.validate(); err != nil {
			return err
		}
	}
	return c.checkTokenIDs()
}

func (c Config) checkTokenIDs() error {
	if c.BOSTokenID < -1 || c.BOSTokenID >= c.VocabSize {
		return fault.Bad("bos_token_id", "config.json: bos_token_id = %d is not in the vocabulary of %d", c.BOSTokenID, c.VocabSize)
	}
	for _, id := range c.EOSTokenIDs {
		if id < 0 || id >= c.VocabSize {
			return fault.Bad("eos_token_id", "eos_token_id = %d is not in the vocabulary of %d", id, c.VocabSize)
		}
	}
	return nil
}
