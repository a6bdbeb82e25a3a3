package checkpoint

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/dtypes"
)

// JSON writes a config.json that ParseConfig and transformers read.
func (c Config) JSON() ([]byte, error) {
	raw := rawConfig{
		ModelType: c.ModelType, Architectures: c.Architectures,
		VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, IntermediateSize: c.IntermediateSize,
		NumHiddenLayers: c.NumHiddenLayers, NumAttentionHeads: c.NumAttentionHeads,
		NumKeyValueHeads: &c.NumKeyValueHeads, HeadDim: &c.HeadDim,
		MaxPositionEmbeddings: c.MaxPositionEmbeddings,
		RMSNormEps:            &c.RMSNormEps, RopeTheta: &c.RopeTheta,
		SlidingWindow:     zeroIsNull(c.SlidingWindow),
		TieWordEmbeddings: &c.TieWordEmbeddings, HiddenAct: c.HiddenAct,
		AttentionBias: c.AttentionBias, MLPBias: c.MLPBias,
	}
	family, known := families[c.ModelType]
	if !known {
		return nil, unknownFamily(c.ModelType)
	}
	if family.write != nil {
		family.write(c, &raw)
	}
	if c.RopeScaling != nil {
		raw.RopeScaling = c.RopeScaling.raw()
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
