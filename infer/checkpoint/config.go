package checkpoint

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
)

// Config is what config.json says of a decoder of the Llama family.
type Config struct {
	ModelType     string   // "mistral" or "llama"
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
	RopeScaling           *RopeScaling // nil: none
	SlidingWindow         int          // a token sees this many positions, itself included; 0: all
	TieWordEmbeddings     bool         // the head is the embedding
	HiddenAct             string       // "silu"
	DType                 dtypes.DType // of the stored weights

	BOSTokenID  int   // -1: none
	EOSTokenIDs []int // any of these ends a reply; empty: none
}

// RopeScaling stretches the rotary position embedding beyond the trained context.
type RopeScaling struct {
	Type                          string // "linear" or "llama3"
	Factor                        float64
	LowFreqFactor, HighFreqFactor float64 // llama3
	OriginalMaxPositionEmbeddings int     // llama3
}

// Bounds on what a config may ask for, far above any model of the family: they
// keep a damaged or hostile file from asking for absurd allocations.
const (
	maxConfigBytes = 1 << 20
	maxDimension   = 1 << 22
	maxLayers      = 1 << 10
)

// rawConfig is config.json on disk: classic keys, and those of transformers 5.
type rawConfig struct {
	ModelType             string          `json:"model_type"`
	Architectures         []string        `json:"architectures,omitempty"`
	VocabSize             int             `json:"vocab_size"`
	HiddenSize            int             `json:"hidden_size"`
	IntermediateSize      int             `json:"intermediate_size"`
	NumHiddenLayers       int             `json:"num_hidden_layers"`
	NumAttentionHeads     int             `json:"num_attention_heads"`
	NumKeyValueHeads      *int            `json:"num_key_value_heads,omitempty"`
	HeadDim               *int            `json:"head_dim,omitempty"`
	MaxPositionEmbeddings int             `json:"max_position_embeddings"`
	RMSNormEps            *float64        `json:"rms_norm_eps,omitempty"`
	RopeTheta             *float64        `json:"rope_theta,omitempty"`
	RopeScaling           *rawRope        `json:"rope_scaling,omitempty"`
	RopeParameters        *rawRope        `json:"rope_parameters,omitempty"`
	SlidingWindow         *int            `json:"sliding_window"`
	UseSlidingWindow      *bool           `json:"use_sliding_window,omitempty"`
	TieWordEmbeddings     bool            `json:"tie_word_embeddings"`
	HiddenAct             string          `json:"hidden_act,omitempty"`
	AttentionBias         bool            `json:"attention_bias,omitempty"`
	MLPBias               bool            `json:"mlp_bias,omitempty"`
	TorchDType            string          `json:"torch_dtype,omitempty"`
	DType                 string          `json:"dtype,omitempty"`
	BOSTokenID            *int            `json:"bos_token_id,omitempty"`
	EOSTokenID            json.RawMessage `json:"eos_token_id,omitempty"`
}

type rawRope struct {
	Type            string   `json:"type,omitempty"`
	RopeType        string   `json:"rope_type,omitempty"`
	RopeTheta       *float64 `json:"rope_theta,omitempty"`
	Factor          float64  `json:"factor,omitempty"`
	LowFreqFactor   float64  `json:"low_freq_factor,omitempty"`
	HighFreqFactor  float64  `json:"high_freq_factor,omitempty"`
	OriginalMaxSize int      `json:"original_max_position_embeddings,omitempty"`
}

// ParseConfig reads config.json. Keys it doesn't know are ignored; a model it
// can't run faithfully is refused with the key that says so.
func ParseConfig(data []byte) (Config, error) {
	if len(data) > maxConfigBytes {
		return Config{}, fault.New(fault.Damaged, "config.json has %d bytes, more than %d", len(data), maxConfigBytes)
	}
	var raw rawConfig
	if err := json.Unmarshal(data, &raw); err != nil {
		return Config{}, fault.Wrap(err, fault.Damaged, "config.json does not parse")
	}
	c := Config{
		ModelType: raw.ModelType, Architectures: raw.Architectures,
		VocabSize: raw.VocabSize, HiddenSize: raw.HiddenSize, IntermediateSize: raw.IntermediateSize,
		NumHiddenLayers: raw.NumHiddenLayers, NumAttentionHeads: raw.NumAttentionHeads,
		NumKeyValueHeads:      orDefault(raw.NumKeyValueHeads, raw.NumAttentionHeads),
		MaxPositionEmbeddings: raw.MaxPositionEmbeddings,
		RMSNormEps:            orDefault(raw.RMSNormEps, 1e-6),
		RopeTheta:             orDefault(raw.RopeTheta, 10000),
		TieWordEmbeddings:     raw.TieWordEmbeddings,
		HiddenAct:             raw.HiddenAct,
		BOSTokenID:            orDefault(raw.BOSTokenID, -1),
	}
	if c.HiddenAct == "" {
		c.HiddenAct = "silu"
	}
	if raw.AttentionBias {
		return Config{}, unsupported("attention_bias", true)
	}
	if raw.MLPBias {
		return Config{}, unsupported("mlp_bias", true)
	}
	if c.NumAttentionHeads > 0 {
		c.HeadDim = c.HiddenSize / c.NumAttentionHeads
	}
	c.HeadDim = orDefault(raw.HeadDim, c.HeadDim)
	// Llama ignores a window in its config; Mistral honours it.
	if c.ModelType == "mistral" && orDefault(raw.UseSlidingWindow, true) {
		c.SlidingWindow = orDefault(raw.SlidingWindow, 0)
	}
	if err := c.readRope(raw); err != nil {
		return Config{}, err
	}
	var err error
	if c.DType, err = parseDType(raw); err != nil {
		return Config{}, err
	}
	if c.EOSTokenIDs, err = parseTokenIDs("eos_token_id", raw.EOSTokenID); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

func (c *Config) readRope(raw rawConfig) error {
	for _, rope := range []*rawRope{raw.RopeScaling, raw.RopeParameters} {
		if rope == nil {
			continue
		}
		c.RopeTheta = orDefault(rope.RopeTheta, c.RopeTheta)
		kind := rope.RopeType
		if kind == "" {
			kind = rope.Type
		}
		switch kind {
		case "", "default":
		case "linear", "llama3":
			c.RopeScaling = &RopeScaling{
				Type: kind, Factor: rope.Factor,
				LowFreqFactor: rope.LowFreqFactor, HighFreqFactor: rope.HighFreqFactor,
				OriginalMaxPositionEmbeddings: rope.OriginalMaxSize,
			}
		default:
			return unsupported("rope_scaling.rope_type", kind)
		}
	}
	return nil
}

func parseDType(raw rawConfig) (dtypes.DType, error) {
	name := raw.DType
	if name == "" {
		name = raw.TorchDType
	}
	switch name {
	case "bfloat16":
		return dtypes.BFloat16, nil
	case "float16":
		return dtypes.Float16, nil
	case "float32", "":
		return dtypes.Float32, nil
	}
	return dtypes.InvalidDType, unsupported("dtype", name)
}

// parseTokenIDs reads a token id that may be absent, null, a number or a list.
func parseTokenIDs(key string, raw json.RawMessage) ([]int, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one int
	if json.Unmarshal(raw, &one) == nil {
		return []int{one}, nil
	}
	var many []*int
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s is neither a token id nor a list of them", key)
	}
	var ids []int
	for _, id := range many {
		if id == nil { // encoding/json would make it token 0
			return nil, fault.New(fault.Damaged, "%s is a list with null in it", key)
		}
		ids = append(ids, *id)
	}
	return ids, nil
}

func orDefault[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func unsupported(key string, value any) error {
	return fault.Bad(key, "config.json: %s = %v is not supported", key, value)
}

// Validate checks that the numbers make a model of a supported architecture.
// The error names the key.
func (c Config) Validate() error {
	if c.ModelType != "mistral" && c.ModelType != "llama" {
		return fault.Bad("model_type", "config.json: model_type %q is not supported (mistral and llama are)", c.ModelType)
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
	case c.HiddenAct != "silu" && c.HiddenAct != "swish":
		return unsupported("hidden_act", c.HiddenAct)
	case c.SlidingWindow < 0:
		return fault.Bad("sliding_window", "config.json: sliding_window = %d is negative", c.SlidingWindow)
	case !(c.RMSNormEps > 0 && c.RMSNormEps < 1):
		return fault.Bad("rms_norm_eps", "config.json: rms_norm_eps = %g is not in (0, 1)", c.RMSNormEps)
	case !(c.RopeTheta > 0) || math.IsInf(c.RopeTheta, 0):
		return fault.Bad("rope_theta", "config.json: rope_theta = %g is not positive", c.RopeTheta)
	}
	if s := c.RopeScaling; s != nil {
		llama3 := s.Type != "llama3" || (s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.OriginalMaxPositionEmbeddings > 0)
		if !(s.Factor >= 1) || !llama3 {
			return fault.Bad("rope_scaling", "config.json: rope_scaling %+v is out of range", *s)
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

// JSON writes a config.json that ParseConfig and transformers read.
func (c Config) JSON() ([]byte, error) {
	raw := rawConfig{
		ModelType: c.ModelType, Architectures: c.Architectures,
		VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, IntermediateSize: c.IntermediateSize,
		NumHiddenLayers: c.NumHiddenLayers, NumAttentionHeads: c.NumAttentionHeads,
		NumKeyValueHeads: &c.NumKeyValueHeads, HeadDim: &c.HeadDim,
		MaxPositionEmbeddings: c.MaxPositionEmbeddings,
		RMSNormEps:            &c.RMSNormEps, RopeTheta: &c.RopeTheta,
		TieWordEmbeddings: c.TieWordEmbeddings, HiddenAct: c.HiddenAct,
	}
	if c.SlidingWindow > 0 {
		raw.SlidingWindow = &c.SlidingWindow
	}
	if s := c.RopeScaling; s != nil {
		raw.RopeScaling = &rawRope{RopeType: s.Type, Factor: s.Factor, LowFreqFactor: s.LowFreqFactor,
			HighFreqFactor: s.HighFreqFactor, OriginalMaxSize: s.OriginalMaxPositionEmbeddings}
	}
	switch c.DType {
	case dtypes.BFloat16, dtypes.Float16, dtypes.Float32:
		raw.TorchDType = TorchDType(c.DType)
	default:
		return nil, fmt.Errorf("a config can't be written with dtype %s", c.DType)
	}
	if c.BOSTokenID >= 0 {
		raw.BOSTokenID = &c.BOSTokenID
	}
	var err error
	switch len(c.EOSTokenIDs) {
	case 0:
	case 1:
		raw.EOSTokenID, err = json.Marshal(c.EOSTokenIDs[0])
	default:
		raw.EOSTokenID, err = json.Marshal(c.EOSTokenIDs)
	}
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(raw, "", "  ")
	return append(data, '\n'), err
}

// TorchDType is the name that config.json uses for a dtype of weights.
func TorchDType(d dtypes.DType) string {
	switch d {
	case dtypes.BFloat16:
		return "bfloat16"
	case dtypes.Float16:
		return "float16"
	}
	return "float32"
}
