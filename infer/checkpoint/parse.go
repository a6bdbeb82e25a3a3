package checkpoint

import (
	"bytes"
	"encoding/json"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
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
	RopeLocalBaseFreq     *float64        `json:"rope_local_base_freq,omitempty"`
	PartialRotaryFactor   *float64        `json:"partial_rotary_factor,omitempty"`
	SlidingWindow         given[int]      `json:"sliding_window"`
	UseSlidingWindow      *bool           `json:"use_sliding_window,omitempty"`
	MaxWindowLayers       *int            `json:"max_window_layers,omitempty"`
	SlidingWindowPattern  *int            `json:"sliding_window_pattern,omitempty"`
	LayerTypes            []string        `json:"layer_types,omitempty"`
	TieWordEmbeddings     *bool           `json:"tie_word_embeddings"`
	HiddenAct             string          `json:"hidden_act,omitempty"`
	HiddenActivation      string          `json:"hidden_activation,omitempty"`
	AttentionBias         bool            `json:"attention_bias,omitempty"`
	MLPBias               bool            `json:"mlp_bias,omitempty"`
	QueryPreAttnScalar    *float64        `json:"query_pre_attn_scalar,omitempty"`
	AttnLogitSoftcapping  given[decimal]  `json:"attn_logit_softcapping,omitzero"`
	FinalLogitSoftcapping given[decimal]  `json:"final_logit_softcapping,omitzero"`
	Bidirectional         bool            `json:"use_bidirectional_attention,omitempty"`
	Quantization          *rawQuant       `json:"quantization_config,omitempty"`
	TorchDType            string          `json:"torch_dtype,omitempty"`
	DType                 string          `json:"dtype,omitempty"`
	BOSTokenID            *int            `json:"bos_token_id,omitempty"`
	EOSTokenID            json.RawMessage `json:"eos_token_id,omitempty"`
}

type rawQuant struct {
	Method string `json:"quant_method"`
}

// given is a key whose absence means something else than null does: without
// sliding_window Mistral has one of 4096, with null it has none.
type given[T any] struct {
	there bool
	value *T // nil: null
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null, too.
func (g *given[T]) UnmarshalJSON(data []byte) error {
	g.there, g.value = true, nil
	return json.Unmarshal(data, &g.value)
}

// MarshalJSON implements json.Marshaler.
func (g given[T]) MarshalJSON() ([]byte, error) { return json.Marshal(g.value) }

// or is the value, null being the zero value.
func (g given[T]) or(otherwise T) T {
	var null T
	if !g.there {
		return otherwise
	}
	return orDefault(g.value, null)
}

// zeroIsNull is a key with this value.
func zeroIsNull[T comparable](v T) given[T] {
	var zero T
	if v == zero {
		return given[T]{there: true}
	}
	return given[T]{there: true, value: &v}
}

// decimal is a number that is written with a decimal point even if it is whole:
// transformers refuses 30 where its dataclass says float.
type decimal float64

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(float64(d))
	if err == nil && !bytes.ContainsAny(data, ".e") {
		data = append(data, ".0"...)
	}
	return data, err
}

// ParseConfig reads config.json; of a model that sees pictures, what it says of the
// decoder. Keys it doesn't know are ignored; a model it can't run faithfully is
// refused with the key that says so.
func ParseConfig(data []byte) (Config, error) {
	c, _, err := ParseModel(data)
	return c, err
}

// ParseModel is ParseConfig that also gives what is said of the part that sees; nil
// if the model has none.
func ParseModel(data []byte) (Config, *VisionConfig, error) {
	if len(data) > maxConfigBytes {
		return Config{}, nil, fault.New(fault.Damaged, "config.json has %d bytes, more than %d", len(data), maxConfigBytes)
	}
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return Config{}, nil, unparsed(err)
	}
	if kind.ModelType == llava || kind.ModelType == llavaNext {
		return parseVLM(data)
	}
	var raw rawConfig
	if err := json.Unmarshal(data, &raw); err != nil {
		return Config{}, nil, unparsed(err)
	}
	c, err := raw.config()
	return c, nil, err
}

// config is what the keys of a decoder say.
func (raw rawConfig) config() (Config, error) {
	family, known := families[raw.ModelType]
	if !known {
		return Config{}, unknownFamily(raw.ModelType)
	}
	if raw.Quantization != nil {
		return Config{}, unsupported("quantization_config.quant_method", raw.Quantization.Method)
	}
	c := Config{
		ModelType: raw.ModelType, Architectures: raw.Architectures,
		VocabSize: raw.VocabSize, HiddenSize: raw.HiddenSize, IntermediateSize: raw.IntermediateSize,
		NumHiddenLayers: raw.NumHiddenLayers, NumAttentionHeads: raw.NumAttentionHeads,
		NumKeyValueHeads:      orDefault(raw.NumKeyValueHeads, raw.NumAttentionHeads),
		MaxPositionEmbeddings: raw.MaxPositionEmbeddings,
		RMSNormEps:            orDefault(raw.RMSNormEps, 1e-6),
		TieWordEmbeddings:     orDefault(raw.TieWordEmbeddings, false),
		AttentionBias:         raw.AttentionBias,
		MLPBias:               raw.MLPBias,
		HiddenAct:             raw.HiddenAct,
		BOSTokenID:            orDefault(raw.BOSTokenID, -1),
	}
	if c.HiddenAct == "" {
		c.HiddenAct = "silu"
	}
	if c.NumAttentionHeads > 0 {
		c.HeadDim = c.HiddenSize / c.NumAttentionHeads
	}
	c.HeadDim = orDefault(raw.HeadDim, c.HeadDim)
	if err := family.read(&c, raw); err != nil {
		return Config{}, err
	}
	var err error
	if c.DType, err = parseDType(raw); err != nil {
		return Config{}, err
	}
	if c.EOSTokenIDs, err = parseInts("eos_token_id", raw.EOSTokenID); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
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

// parseInts reads what may be absent, null, a whole number or a list of them.
func parseInts(key string, raw json.RawMessage) ([]int, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one int
	if json.Unmarshal(raw, &one) == nil {
		return []int{one}, nil
	}
	var many []*int
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s is neither a whole number nor a list of them", key)
	}
	var ids []int
	for _, id := range many {
		if id == nil { // encoding/json would make it 0
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

func unparsed(err error) error { return fault.Wrap(err, fault.Damaged, "config.json does not parse") }

func unsupported(key string, value any) error {
	return fault.Bad(key, "config.json: %s = %v is not supported", key, value)
}
