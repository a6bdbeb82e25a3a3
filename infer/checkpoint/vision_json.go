package checkpoint

import (
	"encoding/json"
	"fmt"
	"hash"
	"slices"
)

// JSON writes the config.json of the model that sees through v and has the decoder
// that text describes, as [ParseModel] and transformers read it.
func (v VisionConfig) JSON(text Config) ([]byte, error) {
	raw, err := v.raw()
	if err != nil {
		return nil, err
	}
	if raw.Text, err = text.JSON(); err != nil {
		return nil, err
	}
	raw.TorchDType, raw.TieWordEmbeddings = TorchDType(text.DType), &text.TieWordEmbeddings
	data, err := json.MarshalIndent(raw, "", "  ")
	return append(data, '\n'), err
}

// raw is what vision reads.
func (v VisionConfig) raw() (raw rawVLM, err error) {
	tower := clipTower()
	tower.HiddenSize, tower.IntermediateSize = v.HiddenSize, v.IntermediateSize
	tower.NumHiddenLayers, tower.NumAttentionHeads = v.NumHiddenLayers, v.NumAttentionHeads
	tower.ImageSize, tower.PatchSize = side(v.ImageSize), side(v.PatchSize)
	tower.LayerNormEps, tower.HiddenAct = v.LayerNormEps, v.HiddenAct
	raw = rawVLM{
		ModelType: v.ModelType, Architectures: v.Architectures, Tower: &tower,
		ImageTokenIndex: &v.ImageTokenID, ImageSeqLength: v.Features(),
		ProjectionAct: v.ProjectionAct, ProjectorBias: &v.ProjectorBias, SelectStrategy: selectDefault,
	}
	if v.KeepClass {
		raw.SelectStrategy = selectFull
	}
	for _, p := range v.GridPinpoints {
		raw.GridPinpoints = append(raw.GridPinpoints, slices.Clone(p[:]))
	}
	var layers any = v.FeatureLayers
	if len(v.FeatureLayers) == 1 {
		layers = v.FeatureLayers[0]
	}
	raw.FeatureLayer, err = json.Marshal(layers)
	return raw, err
}

// hash adds what shapes v to a hash; the names of classes do not.
func (v VisionConfig) hash(h hash.Hash) error {
	v.Architectures = nil
	raw, err := v.raw()
	if err != nil {
		return err
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "vision %d\n", len(data))
	_, err = h.Write(data)
	return err
}
