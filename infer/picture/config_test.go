package picture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

const sized = `"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}`

func towerOf(model string) *checkpoint.VisionConfig {
	return &checkpoint.VisionConfig{ModelType: model, ImageSize: 336, PatchSize: 14}
}

func TestConfigsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ model, config, param string }{
		{"llava", `{}`, "crop_size"}, // transformers' default is 224
		{"llava", `{` + sized + `, "image_processor_type": "SiglipImageProcessor"}`, "image_processor_type"},
		{"llava", `{` + sized + `, "feature_extractor_type": "ViTFeatureExtractor"}`, "feature_extractor_type"},
		{"llava", `{` + sized + `, "image_processor_type": "LlavaNextImageProcessor"}`, "image_processor_type"},
		{"llava_next", `{` + sized + `, "image_processor_type": "CLIPImageProcessor"}`, "image_processor_type"},
		{"llava", `{` + sized + `, "do_resize": false}`, "do_resize"},
		{"llava", `{` + sized + `, "do_center_crop": false}`, "do_center_crop"},
		{"llava", `{` + sized + `, "resample": 0}`, "resample"},
		{"llava", `{` + sized + `, "resample": "bicubic"}`, "resample"},
		{"llava", `{` + sized + `, "pad_size": {"height": 400, "width": 400}}`, "pad_size"},
		{"llava", `{` + sized + `, "data_format": "channels_last"}`, "data_format"},
		{"llava", `{` + sized + `, "image_mean": [0.5, 0.5]}`, "image_mean"},
		{"llava", `{` + sized + `, "image_mean": [0.5, 0.5, null]}`, "image_mean"},
		{"llava", `{` + sized + `, "image_std": 0}`, "image_std"},
		{"llava", `{` + sized + `, "image_std": 1e-300}`, "image_std"},
		{"llava", `{` + sized + `, "rescale_factor": 1e300}`, "rescale_factor"},
		{"llava", `{"size": {"longest_edge": 336}, "crop_size": 336}`, "size.longest_edge"},
		{"llava", `{"size": {"shortest_edge": 336, "height": 336, "width": 336}, "crop_size": 336}`, "size"},
		{"llava", `{"size": {"height": 336}, "crop_size": 336}`, "size"},
		{"llava", `{"size": {}, "crop_size": 336}`, "size"},
		{"llava", `{"size": -5, "crop_size": 336}`, "size"},
		{"llava", `{"size": 1e9, "crop_size": 336}`, "size"},
		{"llava", `{"size": "336", "crop_size": 336}`, "size"},
		{"llava", `{"size": 300, "crop_size": 336}`, "size"},
		{"llava", `{"size": 336, "crop_size": {"shortest_edge": 336}}`, "crop_size"},
		{"llava", `{"size": 336, "crop_size": 224}`, "crop_size"},
		{"llava_next", `{"size": 224, "crop_size": 336}`, "size"},
		{"llava_next", `{"size": 336, "crop_size": 224}`, "crop_size"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": []}`, "image_grid_pinpoints"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[336]]}`, "image_grid_pinpoints"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[336, 500]]}`, "image_grid_pinpoints"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[0, 336]]}`, "image_grid_pinpoints"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[-336, -336]]}`, "image_grid_pinpoints"},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[336000, 336]]}`, "image_grid_pinpoints"},
	} {
		_, err := OpenProcessor(folder(t, imageProcessorFile, c.config), towerOf(c.model))
		require.Error(t, err, c.config)
		var e *fault.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, fault.Invalid, e.Code, c.config)
		require.Equal(t, c.param, e.Param, c.config)
		require.Contains(t, e.Message, c.param[:strings.IndexByte(c.param+".", '.')], c.config)
	}
}

func TestAProcessorFitsItsTower(t *testing.T) {
	dir := folder(t, imageProcessorFile, `{`+sized+`}`)
	whole := towerOf("llava")
	whole.KeepClass = true
	p, err := OpenProcessor(dir, whole)
	require.NoError(t, err)
	require.Equal(t, 577, p.Tokens(10, 10))
	ready, err := p.Prepare(pattern(30, 20))
	require.NoError(t, err)
	require.Equal(t, 577, ready.Tokens())

	next := towerOf("llava_next")
	next.KeepClass = true
	_, err = OpenProcessor(dir, next)
	require.ErrorContains(t, err, "vision_feature_select_strategy")
	other := towerOf("llava_next")
	other.GridPinpoints = [][2]int{{336, 672}}
	_, err = OpenProcessor(dir, other)
	require.ErrorContains(t, err, "image_grid_pinpoints is not the same")
	other.GridPinpoints = [][2]int{{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}
	_, err = OpenProcessor(dir, other)
	require.NoError(t, err)
	for _, v := range []checkpoint.VisionConfig{{ModelType: "llava"}, {ModelType: "llava", ImageSize: 336}, {ModelType: "llava", ImageSize: 1 << 20, PatchSize: 14}} {
		_, err := OpenProcessor(dir, &v)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
	_, err = p.Prepare(nil)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = p.Prepare(&Picture{Width: 5, Height: 5})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestTheNestedConfigComesFirst(t *testing.T) {
	dir := folder(t, imageProcessorFile, `{"size": 224, "crop_size": 224}`)
	_, err := OpenProcessor(dir, towerOf("llava"))
	require.Error(t, err)
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, processorFile), []byte(text), 0o600))
	}
	write(`{"image_processor": {` + sized + `}, "patch_size": 14}`)
	_, err = OpenProcessor(dir, towerOf("llava"))
	require.NoError(t, err)
	write(`{"patch_size": 14}`) // says nothing of pictures
	_, err = OpenProcessor(dir, towerOf("llava"))
	require.Error(t, err)
	write(`{`)
	_, err = OpenProcessor(dir, towerOf("llava"))
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	write(strings.Repeat(" ", maxConfigBytes+1))
	_, err = OpenProcessor(dir, towerOf("llava"))
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	_, err = OpenProcessor(t.TempDir(), towerOf("llava"))
	require.ErrorContains(t, err, "has no preprocessor_config.json")
}

func TestAPreparationHasAHashOfItsOwn(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, c := range []struct{ model, config string }{
		{"llava", `{` + sized + `}`},
		{"llava", `{` + sized + `, "resample": 2}`},
		{"llava", `{` + sized + `, "image_mean": 0.5}`},
		{"llava", `{` + sized + `, "do_normalize": false}`},
		{"llava", `{` + sized + `, "image_processor_type": "LlavaImageProcessor", "do_pad": true}`},
		{"llava", `{"size": {"shortest_edge": 400}, "crop_size": 336}`},
		{"llava_next", `{` + sized + `}`},
		{"llava_next", `{` + sized + `, "image_grid_pinpoints": [[672, 672]]}`},
	} {
		p, err := OpenProcessor(folder(t, imageProcessorFile, c.config), towerOf(c.model))
		require.NoError(t, err)
		for _, side := range []int{20, 21} {
			ready, err := p.Prepare(pattern(side, 20))
			require.NoError(t, err)
			require.Empty(t, seen[ready.Hash], c.config)
			seen[ready.Hash] = c.config
			again, err := p.Prepare(pattern(side, 20))
			require.NoError(t, err)
			require.Equal(t, ready.Hash, again.Hash)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{`{}`, `{` + sized + `}`, `{"size": [336, 336], "crop_size": 336, "do_pad": true, "image_grid_pinpoints": [[336, 672]], "resample": 1}`} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	picture := pattern(40, 30)
	f.Fuzz(func(t *testing.T, data []byte, tiled bool) {
		model := "llava"
		if tiled {
			model = "llava_next"
		}
		c, err := parseConfig(data, model)
		if err != nil {
			require.NotEqual(t, fault.Internal, fault.CodeOf(err))
			return
		}
		v := towerOf(model)
		v.ImageSize = 28
		p, err := newProcessor(c, v)
		if err != nil {
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			return
		}
		ready, err := p.Prepare(picture)
		require.NoError(t, err)
		require.Equal(t, p.Tokens(40, 30), ready.Tokens())
		for _, i := range ready.Order {
			require.Less(t, int(i), len(ready.Tiles)*p.features)
		}
	})
}
