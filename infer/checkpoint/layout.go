package checkpoint

import (
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
)

// Prefixes of tensors in models that see pictures. In memory the decoder's have the
// names of a plain model, for it is one.
const (
	TowerPrefix     = "vision_tower.vision_model."
	ProjectorPrefix = "multi_modal_projector."
	NewlineName     = "image_newline"
)

// LanguagePrefix stands before the names of a decoder's tensors in the files of a model
// that sees, in the published layout; see [StoredName].
const LanguagePrefix = "language_model."

// IsVision tells whether a tensor belongs to the part of a model that sees.
func IsVision(name string) bool {
	return strings.HasPrefix(name, TowerPrefix) || strings.HasPrefix(name, ProjectorPrefix) || name == NewlineName
}

// VisionTensors are those of a model's tensors that belong to the part that sees. Older
// files have buffers among them, which are left out.
func VisionTensors(all []TensorInfo) []TensorInfo {
	return slices.DeleteFunc(slices.Clone(all), func(t TensorInfo) bool {
		return !IsVision(t.Name) || t.DType == dtypes.InvalidDType
	})
}

// StoredName gives the name that a tensor of a model that sees has in published files,
// which all of transformers reads: what comes of bareName, undone.
func StoredName(name string) string {
	if IsVision(name) {
		return name
	}
	return LanguagePrefix + name
}

// bareName gives the name that a tensor of a model that sees has here, whichever
// transformers wrote the file: up to 4.51 they have the decoder as a whole below
// language_model, later below model.language_model and its head outside, with
// vision and projector below model; and the tower without vision_model in between.
func bareName(stored string) string {
	name := strings.TrimPrefix(stored, "model.")
	switch {
	case strings.HasPrefix(name, LanguagePrefix):
		name = strings.TrimPrefix(name, LanguagePrefix)
		if !strings.HasPrefix(name, "model.") && !strings.HasPrefix(name, "lm_head.") {
			name = "model." + name
		}
		return name
	case strings.HasPrefix(name, "vision_tower."):
		return TowerPrefix + strings.TrimPrefix(strings.TrimPrefix(name, "vision_tower."), "vision_model.")
	case IsVision(name):
		return name
	}
	return stored
}
