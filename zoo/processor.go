package zoo

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// What is taken off each channel of a picture, and divided by: about the mean and the
// deviation of the pictures that are painted.
const (
	channelMean      = 0.25
	channelDeviation = 0.25
)

// writeProcessor writes how a model that sees wants its pictures, as transformers
// reads it.
func writeProcessor(dir string, v checkpoint.VisionConfig) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Internal, "make model folder %s", dir)
	}
	three := func(x float64) []float64 { return []float64{x, x, x} }
	files := map[string]map[string]any{
		"preprocessor_config.json": {
			"image_processor_type": "LlavaNextImageProcessor",
			"processor_class":      "LlavaNextProcessor",
			"do_convert_rgb":       true,
			"do_resize":            true, "size": map[string]int{"shortest_edge": v.ImageSize}, "resample": 3,
			"do_center_crop": true, "crop_size": map[string]int{"height": v.ImageSize, "width": v.ImageSize},
			"do_rescale": true, "rescale_factor": 1.0 / 255,
			"do_normalize": true, "image_mean": three(channelMean), "image_std": three(channelDeviation),
			"do_pad": true, "image_grid_pinpoints": v.GridPinpoints,
		},
		"processor_config.json": {
			"processor_class": "LlavaNextProcessor", "image_token": tokenImage, "patch_size": v.PatchSize,
			"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1,
		},
	}
	for name, content := range files {
		data, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return fault.Wrap(err, fault.Internal, "render %s", name)
		}
		if err := checkpoint.WriteBytes(filepath.Join(dir, name), append(data, '\n')); err != nil {
			return fault.Wrap(err, fault.Internal, "write %s", name)
		}
	}
	return nil
}
