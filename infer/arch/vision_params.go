package arch

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Names of the tensors that see, outside the tower's blocks.
const (
	classEmbedding    = checkpoint.TowerPrefix + "embeddings.class_embedding"
	patchEmbedding    = checkpoint.TowerPrefix + "embeddings.patch_embedding"
	positionEmbedding = checkpoint.TowerPrefix + "embeddings.position_embedding"
	towerFirstNorm    = checkpoint.TowerPrefix + "pre_layrnorm" // as it is spelt in every file
	towerLastNorm     = checkpoint.TowerPrefix + "post_layernorm"
	projectorFirst    = checkpoint.ProjectorPrefix + "linear_1"
	projectorSecond   = checkpoint.ProjectorPrefix + "linear_2"
)

// towerPart is a part of one of the tower's blocks.
func towerPart(block int, name string) string {
	return fmt.Sprintf("%sencoder.layers.%d.%s", checkpoint.TowerPrefix, block, name)
}

// VisionParams lists the tensors of the part of a model that sees, in a fixed order;
// textHidden is the width of the decoder's residual stream. They are in no layer
// group: they are not merged. The tower's last norm, which only CLIP's own head looks
// through, is among them, as it is in the files.
func VisionParams(v checkpoint.VisionConfig, textHidden int) (params []Param) {
	hidden, inner := v.HiddenSize, v.IntermediateSize
	add := func(name string, shape ...int) {
		params = append(params, Param{Name: name, Shape: shape, Group: Group{Part: Sight}})
	}
	norm := func(name string) {
		add(name+".weight", hidden)
		add(name+".bias", hidden)
	}
	linear := func(name string, out, in int, bias bool) {
		add(name+".weight", out, in)
		if bias {
			add(name+".bias", out)
		}
	}
	add(classEmbedding, hidden)
	add(patchEmbedding+".weight", hidden, 3, v.PatchSize, v.PatchSize)
	add(positionEmbedding+".weight", v.Side()*v.Side()+1, hidden)
	norm(towerFirstNorm)
	for i := range v.NumHiddenLayers {
		norm(towerPart(i, "layer_norm1"))
		for _, name := range []string{"q_proj", "k_proj", "v_proj", "out_proj"} {
			linear(towerPart(i, "self_attn."+name), hidden, hidden, true)
		}
		norm(towerPart(i, "layer_norm2"))
		linear(towerPart(i, "mlp.fc1"), inner, hidden, true)
		linear(towerPart(i, "mlp.fc2"), hidden, inner, true)
	}
	norm(towerLastNorm)
	linear(projectorFirst, textHidden, hidden*len(v.FeatureLayers), v.ProjectorBias)
	linear(projectorSecond, textHidden, textHidden, v.ProjectorBias)
	if v.Newline() {
		add(checkpoint.NewlineName, textHidden)
	}
	return params
}

// BindVision pairs nodes with the tensors they are, in the order of [VisionParams].
func BindVision(v checkpoint.VisionConfig, textHidden int, nodes []*graph.Node) Weights {
	w := Weights{}
	for i, p := range VisionParams(v, textHidden) {
		w[p.Name] = nodes[i]
	}
	return w
}
