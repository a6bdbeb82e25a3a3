package checkpoint

import (
	"github.com/mergeway/mergeway/fault"
)

// VisionConfig is what config.json says of the part of a model that sees pictures: a
// CLIP vision tower that cuts a tile into patches, and a projector that makes of what
// the tower says of a patch what a token's embedding is to the decoder.
type VisionConfig struct {
	ModelType     string   // "llava" or "llava_next"
	Architectures []string // Hugging Face class names; kept for export

	HiddenSize        int     // width of the tower's residual stream
	IntermediateSize  int     // width inside its feed-forward nets
	NumHiddenLayers   int     // its blocks
	NumAttentionHeads int     // divides HiddenSize
	ImageSize         int     // height and width of a tile in pixels
	PatchSize         int     // of a patch; divides ImageSize
	LayerNormEps      float64 // of all norms
	HiddenAct         string  // of the feed-forward nets: a key of the table visionActivations

	ProjectionAct string // between the projector's two layers
	ProjectorBias bool   // these have biases
	FeatureLayers []int  // whose states go to the projector, side by side: 0 is what comes to the first block, -1 what leaves the last
	KeepClass     bool   // the state of the class embedding goes there too, before those of the patches

	GridPinpoints [][2]int // height and width that a picture may be brought to, to be cut into tiles; llava_next alone
	ImageTokenID  int32    // what stands in a prompt for each state that comes of a picture
}

// visionActivations are the activations of towers and projectors.
var visionActivations = map[string]bool{"quick_gelu": true, "gelu": true, "gelu_pytorch_tanh": true, "silu": true, "swish": true}

// Side is how many patches lie side by side in a tile.
func (v VisionConfig) Side() int { return v.ImageSize / v.PatchSize }

// Features is how many states come of a tile.
func (v VisionConfig) Features() int {
	n := v.Side() * v.Side()
	if v.KeepClass {
		n++
	}
	return n
}

// Newline tells whether there is a state that ends each row of patches.
func (v VisionConfig) Newline() bool { return v.ModelType == llavaNext }

// Bounds on what a vision part may ask for, far above those that there are.
const (
	maxImageSize     = 1 << 13
	maxFeatureLayers = 1 << 5
	maxPinpoints     = 1 << 8
	maxTiles         = 1 << 8
)

// Validate checks that the numbers make a model that can be run. The error names
// the key.
func (v VisionConfig) Validate() error {
	if v.ModelType != llava && v.ModelType != llavaNext {
		return unknownFamily(v.ModelType)
	}
	for _, d := range []struct {
		key        string
		value, max int
	}{
		{"hidden_size", v.HiddenSize, maxDimension},
		{"intermediate_size", v.IntermediateSize, maxDimension},
		{"num_hidden_layers", v.NumHiddenLayers, maxLayers},
		{"num_attention_heads", v.NumAttentionHeads, maxDimension},
		{"image_size", v.ImageSize, maxImageSize},
		{"patch_size", v.PatchSize, maxImageSize},
	} {
		if d.value < 1 || d.value > d.max {
			return badVision(d.key, "%d is not in 1..%d", d.value, d.max)
		}
	}
	switch {
	case v.HiddenSize%v.NumAttentionHeads != 0:
		return badVision("num_attention_heads", "%d does not divide hidden_size = %d", v.NumAttentionHeads, v.HiddenSize)
	case v.ImageSize%v.PatchSize != 0:
		return badVision("patch_size", "%d does not divide image_size = %d", v.PatchSize, v.ImageSize)
	case !(v.LayerNormEps > 0 && v.LayerNormEps < 1):
		return badVision("layer_norm_eps", "%g is not in (0, 1)", v.LayerNormEps)
	case !visionActivations[v.HiddenAct]:
		return unsupported("vision_config.hidden_act", v.HiddenAct)
	case !visionActivations[v.ProjectionAct]:
		return unsupported("projector_hidden_act", v.ProjectionAct)
	case v.KeepClass && v.ModelType == llavaNext: // where its state would lie in a grid of tiles nobody has said
		return unsupported("vision_feature_select_strategy", selectFull)
	case v.ImageTokenID < 0 || v.ImageTokenID > maxDimension:
		return fault.Bad("image_token_index", "config.json: image_token_index = %d is not in 0..%d", v.ImageTokenID, maxDimension)
	}
	return orFirst(v.validateLayers(), v.validatePinpoints())
}

func (v VisionConfig) validateLayers() error {
	if n := len(v.FeatureLayers); n < 1 || n > maxFeatureLayers {
		return fault.Bad("vision_feature_layer", "config.json: vision_feature_layer names %d layers, not 1..%d", n, maxFeatureLayers)
	}
	for _, layer := range v.FeatureLayers {
		if layer < -v.NumHiddenLayers-1 || layer > v.NumHiddenLayers {
			return fault.Bad("vision_feature_layer", "config.json: vision_feature_layer = %d is not among the %d states of %d blocks",
				layer, v.NumHiddenLayers+1, v.NumHiddenLayers)
		}
	}
	return nil
}

func (v VisionConfig) validatePinpoints() error {
	const key = "image_grid_pinpoints"
	n := len(v.GridPinpoints)
	switch {
	case v.ModelType == llava && n > 0:
		return unsupported(key, v.GridPinpoints)
	case v.ModelType == llavaNext && (n < 1 || n > maxPinpoints):
		return fault.Bad(key, "config.json: %s has %d sizes, not 1..%d", key, n, maxPinpoints)
	}
	for _, p := range v.GridPinpoints {
		height, width := p[0], p[1]
		if height < 1 || width < 1 || height%v.ImageSize != 0 || width%v.ImageSize != 0 {
			return fault.Bad(key, "config.json: %s has %d×%d, which is not made of tiles of %d×%d", key, height, width, v.ImageSize, v.ImageSize)
		}
		if down, across := height/v.ImageSize, width/v.ImageSize; down > maxTiles || across > maxTiles/down {
			return fault.Bad(key, "config.json: %s has %d×%d, of more than %d tiles", key, height, width, maxTiles)
		}
	}
	return nil
}

func badVision(key, format string, args ...any) error {
	key = "vision_config." + key
	return fault.Bad(key, "config.json: "+key+" = "+format, args...)
}
