package checkpoint

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/mergeway/mergeway/fault"
)

// The model types of models that see pictures.
const (
	llava     = "llava"
	llavaNext = "llava_next"
)

// The values of vision_feature_select_strategy.
const (
	selectDefault = "default" // the patches
	selectFull    = "full"    // and the class embedding
)

// clipVision is the one kind of tower.
const clipVision = "clip_vision_model"

// rawVLM is config.json of a model that sees pictures.
type rawVLM struct {
	ModelType         string          `json:"model_type"`
	Architectures     []string        `json:"architectures,omitempty"`
	Text              json.RawMessage `json:"text_config,omitempty"`
	Tower             *rawTower       `json:"vision_config"`
	ImageTokenIndex   *int32          `json:"image_token_index,omitempty"`
	ImageTokenID      *int32          `json:"image_token_id,omitempty"` // the same in transformers 5
	ImageSeqLength    int             `json:"image_seq_length,omitempty"`
	ProjectionAct     string          `json:"projector_hidden_act,omitempty"`
	ProjectorBias     *bool           `json:"multimodal_projector_bias,omitempty"`
	FeatureLayer      json.RawMessage `json:"vision_feature_layer,omitempty"`
	SelectStrategy    string          `json:"vision_feature_select_strategy,omitempty"`
	GridPinpoints     [][]int         `json:"image_grid_pinpoints,omitempty"`
	TieWordEmbeddings *bool           `json:"tie_word_embeddings,omitempty"`
	Quantization      *rawQuant       `json:"quantization_config,omitempty"`
	TorchDType        string          `json:"torch_dtype,omitempty"`
	DType             string          `json:"dtype,omitempty"`
}

// rawTower is its vision_config.
type rawTower struct {
	ModelType         string          `json:"model_type,omitempty"`
	HiddenSize        int             `json:"hidden_size"`
	IntermediateSize  int             `json:"intermediate_size"`
	NumHiddenLayers   int             `json:"num_hidden_layers"`
	NumAttentionHeads int             `json:"num_attention_heads"`
	NumChannels       int             `json:"num_channels"`
	ImageSize         json.RawMessage `json:"image_size"`
	PatchSize         json.RawMessage `json:"patch_size"`
	LayerNormEps      float64         `json:"layer_norm_eps"`
	HiddenAct         string          `json:"hidden_act"`
}

// clipTower is what CLIPVisionConfig has where a key is missing.
func clipTower() rawTower {
	return rawTower{
		ModelType: clipVision, HiddenSize: 768, IntermediateSize: 3072, NumHiddenLayers: 12, NumAttentionHeads: 12,
		NumChannels: 3, ImageSize: side(224), PatchSize: side(32), LayerNormEps: 1e-5, HiddenAct: "quick_gelu",
	}
}

// llavaTower is the tower of a config.json without vision_config: CLIP ViT-L/14-336.
func llavaTower() rawTower {
	t := clipTower()
	t.HiddenSize, t.IntermediateSize, t.NumHiddenLayers, t.NumAttentionHeads = 1024, 4096, 24, 16
	t.ImageSize, t.PatchSize = side(336), side(14)
	return t
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *rawTower) UnmarshalJSON(data []byte) error {
	type plain rawTower
	read := plain(clipTower())
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*t = rawTower(read)
	return nil
}

// side is what parseSide reads.
func side(n int) json.RawMessage { return json.RawMessage(strconv.Itoa(n)) }

// parseSide reads the side of a square, which may be written as height and width.
func parseSide(key string, raw json.RawMessage) (int, error) {
	sides, err := parseInts(key, raw)
	if err != nil {
		return 0, err
	}
	if n := len(sides); n < 1 || n > 2 || sides[0] != sides[n-1] {
		return 0, unsupported(key, string(raw))
	}
	return sides[0], nil
}

// textDefaults are what the families' configurations have where a text_config lacks a
// key: transformers leaves out what is as usual there.
func textDefaults(modelType string) (rawConfig, error) {
	number := func(n int) *int { return &n }
	raw := rawConfig{
		VocabSize: 32000, HiddenSize: 4096, NumHiddenLayers: 32, NumAttentionHeads: 32,
		BOSTokenID: number(1), EOSTokenID: json.RawMessage("2"),
	}
	switch modelType {
	case "mistral":
		raw.IntermediateSize, raw.NumKeyValueHeads, raw.MaxPositionEmbeddings = 14336, number(8), 4096*32
	case "llama":
		raw.IntermediateSize, raw.MaxPositionEmbeddings = 11008, 2048
	default:
		return raw, unsupported("model_type", modelType)
	}
	return raw, nil
}

// parseVLM reads the config.json of a model that sees pictures: what it says of its
// decoder, and of the rest.
func parseVLM(data []byte) (Config, *VisionConfig, error) {
	var raw rawVLM
	if err := json.Unmarshal(data, &raw); err != nil {
		return Config{}, nil, unparsed(err)
	}
	if raw.Quantization != nil {
		return Config{}, nil, unsupported("quantization_config.quant_method", raw.Quantization.Method)
	}
	c, err := raw.text()
	if err != nil {
		return Config{}, nil, within("text_config", err)
	}
	v, err := raw.vision()
	if err != nil {
		return Config{}, nil, err
	}
	return c, &v, v.Validate()
}

// text reads text_config. The dtype of the files is that of the whole, if it says so.
func (raw rawVLM) text() (Config, error) {
	data := raw.Text
	if len(data) == 0 || string(data) == "null" {
		data = json.RawMessage("{}")
	}
	kind := struct {
		ModelType string `json:"model_type"`
	}{"llama"}
	if err := json.Unmarshal(data, &kind); err != nil {
		return Config{}, unparsed(err)
	}
	text, err := textDefaults(kind.ModelType)
	if err != nil {
		return Config{}, err
	}
	if err := json.Unmarshal(data, &text); err != nil {
		return Config{}, unparsed(err)
	}
	text.ModelType = kind.ModelType
	if raw.DType != "" || raw.TorchDType != "" {
		text.DType, text.TorchDType = raw.DType, raw.TorchDType
	}
	if orDefault(raw.TieWordEmbeddings, false) {
		text.TieWordEmbeddings = raw.TieWordEmbeddings
	}
	return text.config()
}

// vision reads the rest.
func (raw rawVLM) vision() (VisionConfig, error) {
	tower := orDefault(raw.Tower, llavaTower())
	if tower.ModelType != clipVision {
		return VisionConfig{}, unsupported("vision_config.model_type", tower.ModelType)
	}
	if tower.NumChannels != 3 {
		return VisionConfig{}, unsupported("vision_config.num_channels", tower.NumChannels)
	}
	v := VisionConfig{
		ModelType: raw.ModelType, Architectures: raw.Architectures,
		HiddenSize: tower.HiddenSize, IntermediateSize: tower.IntermediateSize,
		NumHiddenLayers: tower.NumHiddenLayers, NumAttentionHeads: tower.NumAttentionHeads,
		LayerNormEps: tower.LayerNormEps, HiddenAct: tower.HiddenAct,
		ProjectionAct: raw.ProjectionAct, ProjectorBias: orDefault(raw.ProjectorBias, true),
		ImageTokenID: orDefault(raw.ImageTokenIndex, orDefault(raw.ImageTokenID, 32000)),
	}
	var err error
	if v.ImageSize, err = parseSide("vision_config.image_size", tower.ImageSize); err != nil {
		return VisionConfig{}, err
	}
	if v.PatchSize, err = parseSide("vision_config.patch_size", tower.PatchSize); err != nil {
		return VisionConfig{}, err
	}
	if v.ProjectionAct == "" {
		v.ProjectionAct = "gelu"
	}
	switch raw.SelectStrategy {
	case selectFull:
		v.KeepClass = true
	case selectDefault, "":
	default:
		return VisionConfig{}, unsupported("vision_feature_select_strategy", raw.SelectStrategy)
	}
	if v.FeatureLayers = []int{-2}; len(raw.FeatureLayer) > 0 {
		if v.FeatureLayers, err = parseInts("vision_feature_layer", raw.FeatureLayer); err != nil {
			return VisionConfig{}, err
		}
	}
	if raw.ModelType != llavaNext {
		return v, nil // a grid in its config is ignored, as transformers does
	}
	pinpoints := raw.GridPinpoints
	if pinpoints == nil {
		pinpoints = [][]int{{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}
	}
	for _, p := range pinpoints {
		if len(p) != 2 {
			return VisionConfig{}, unsupported("image_grid_pinpoints", pinpoints)
		}
		v.GridPinpoints = append(v.GridPinpoints, [2]int(p))
	}
	return v, nil
}

// within says in which part of config.json the key of an error is.
func within(part string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Param != "" {
		return &fault.Error{Code: f.Code, Param: part + "." + f.Param, Message: "in " + part + " of " + f.Message, Err: f.Err}
	}
	return err
}
