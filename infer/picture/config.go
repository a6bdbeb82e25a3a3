package picture

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// The files that say how a model wants its pictures, the first that does.
const (
	processorFile      = "processor_config.json" // under the key image_processor
	imageProcessorFile = "preprocessor_config.json"
)

// Bounds on what a config may ask for, far above any model's.
const (
	maxConfigBytes = 1 << 20
	maxTileSide    = 4096
	maxPinpoints   = 256
	maxTiles       = 64
)

// rawConfig is an image processor's config on disk. A key that is missing or null
// is transformers' default. Keys that are not here say nothing about the pixels.
type rawConfig struct {
	Type         string          `json:"image_processor_type"`
	OldType      string          `json:"feature_extractor_type"`
	DoResize     *bool           `json:"do_resize"`
	Size         json.RawMessage `json:"size"`
	Square       *bool           `json:"default_to_square"`
	Resample     json.RawMessage `json:"resample"`
	DoCenterCrop *bool           `json:"do_center_crop"`
	CropSize     json.RawMessage `json:"crop_size"`
	DoRescale    *bool           `json:"do_rescale"`
	Factor       *float64        `json:"rescale_factor"`
	DoNormalize  *bool           `json:"do_normalize"`
	Mean         json.RawMessage `json:"image_mean"`
	Std          json.RawMessage `json:"image_std"`
	DoPad        *bool           `json:"do_pad"`
	PadSize      json.RawMessage `json:"pad_size"`
	DataFormat   *string         `json:"data_format"`
	Pinpoints    [][]int         `json:"image_grid_pinpoints"`
}

// config is a rawConfig with its defaults.
type config struct {
	kind         string // "clip", "llava" or "llava_next"
	doResize     bool
	shortest     int // the shorter side becomes so long; 0: size
	size         extent
	filter       filter
	filterNumber int
	doCenterCrop bool
	crop         extent
	factor       float64 // 1: levels stay
	mean, std    [3]float64
	doNormalize  bool
	doPad        bool
	pinpoints    [][2]int
}

// readConfig reads the config of a model's folder.
func readConfig(dir, model string) (config, error) {
	data, err := readSmall(dir, processorFile)
	if err != nil {
		return config{}, err
	}
	if data != nil {
		var outer struct {
			Image json.RawMessage `json:"image_processor"`
		}
		if err := json.Unmarshal(data, &outer); err != nil {
			return config{}, fault.Wrap(err, fault.Damaged, "%s does not parse", processorFile)
		}
		if given(outer.Image) {
			return parseConfig(outer.Image, model)
		}
	}
	data, err = readSmall(dir, imageProcessorFile)
	if err != nil {
		return config{}, err
	}
	if data == nil {
		return config{}, fault.New(fault.Invalid, "the model has no %s: nothing says how it wants its pictures", imageProcessorFile)
	}
	return parseConfig(data, model)
}

// readSmall reads a file of a model's folder; nil: there is none.
func readSmall(dir, name string) ([]byte, error) {
	data, err := checkpoint.ReadSmall(dir, name, maxConfigBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// parseConfig reads an image processor's config for a type of model. What transformers
// would honour and this package can't is refused with the key that says so.
func parseConfig(data []byte, model string) (config, error) {
	var raw rawConfig
	if err := json.Unmarshal(data, &raw); err != nil {
		return config{}, fault.Wrap(err, fault.Damaged, "the image processor's config does not parse")
	}
	kind, err := kindOf(raw, model)
	if err != nil {
		return config{}, err
	}
	c := config{
		kind:         kind,
		doResize:     orDefault(raw.DoResize, true),
		doCenterCrop: orDefault(raw.DoCenterCrop, true),
		factor:       orDefault(raw.Factor, 1.0/255),
		doNormalize:  orDefault(raw.DoNormalize, true),
		doPad:        orDefault(raw.DoPad, kind == "llava_next"),
	}
	if !orDefault(raw.DoRescale, true) {
		c.factor = 1
	}
	if !(math.Abs(c.factor) <= 1e6) {
		return config{}, unsupported("rescale_factor", c.factor)
	}
	if given(raw.PadSize) {
		return config{}, unsupported("pad_size", string(raw.PadSize))
	}
	if raw.DataFormat != nil && *raw.DataFormat != "channels_first" {
		return config{}, unsupported("data_format", *raw.DataFormat)
	}
	if err := c.readSizes(raw); err != nil {
		return config{}, err
	}
	c.filterNumber = bicubic
	if given(raw.Resample) {
		if err := json.Unmarshal(raw.Resample, &c.filterNumber); err != nil {
			return config{}, unsupported("resample", string(raw.Resample))
		}
	}
	known := false
	if c.filter, known = filterOf(c.filterNumber); !known {
		return config{}, unsupported("resample", c.filterNumber)
	}
	if c.mean, err = threeNumbers("image_mean", raw.Mean, [3]float64{0.48145466, 0.4578275, 0.40821073}); err != nil {
		return config{}, err
	}
	if c.std, err = threeNumbers("image_std", raw.Std, [3]float64{0.26862954, 0.26130258, 0.27577711}); err != nil {
		return config{}, err
	}
	if slices.Contains(c.std[:], 0) {
		return config{}, unsupported("image_std", 0)
	}
	if kind == "llava_next" {
		if c.pinpoints, err = pinpoints(raw.Pinpoints); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

// kindOf tells which of transformers' image processors a config is for.
func kindOf(raw rawConfig, model string) (string, error) {
	name, key := raw.Type, "image_processor_type"
	if name == "" && raw.OldType != "" {
		name, key = raw.OldType, "feature_extractor_type"
	}
	kinds := map[string]string{ // by the model, then by the class
		"llava ": "llava", "llava_next ": "llava_next", // the model's own, where no class is named
		"llava CLIPImageProcessor":           "clip",
		"llava CLIPFeatureExtractor":         "clip",
		"llava LlavaImageProcessor":          "llava",
		"llava_next LlavaNextImageProcessor": "llava_next",
	}
	base := name
	for _, backend := range []string{"Fast", "Pil"} { // transformers has a class for each way to compute
		if n := len(name) - len(backend); n > 0 && name[n:] == backend {
			base = name[:n]
		}
	}
	kind, known := kinds[model+" "+base]
	if !known {
		return "", fault.Bad(key, "the image processor's config: %s = %q is not supported for a model of type %s", key, name, model)
	}
	return kind, nil
}

// threeNumbers reads a number for each colour, or one for all.
func threeNumbers(key string, data json.RawMessage, otherwise [3]float64) ([3]float64, error) {
	if !given(data) {
		return otherwise, nil
	}
	var one float64
	if json.Unmarshal(data, &one) == nil {
		return [3]float64{one, one, one}, nil
	}
	var list []*float64
	if json.Unmarshal(data, &list) != nil || len(list) != 3 || slices.Contains(list, nil) {
		return [3]float64{}, unsupported(key, string(data))
	}
	return [3]float64{*list[0], *list[1], *list[2]}, nil
}

// pinpoints reads image_grid_pinpoints: heights and widths.
func pinpoints(raw [][]int) ([][2]int, error) {
	const key = "image_grid_pinpoints"
	if raw == nil {
		return [][2]int{{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}, nil
	}
	if len(raw) == 0 || len(raw) > maxPinpoints {
		return nil, fault.Bad(key, "the image processor's config: %s has %d entries, not 1..%d", key, len(raw), maxPinpoints)
	}
	var all [][2]int
	for _, p := range raw {
		if len(p) != 2 {
			return nil, unsupported(key, p)
		}
		all = append(all, [2]int{p[0], p[1]})
	}
	return all, nil
}

func given(data json.RawMessage) bool { return len(data) > 0 && string(data) != "null" }

func orDefault[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func unsupported(key string, value any) error {
	return fault.Bad(key, "the image processor's config: %s = %v is not supported", key, value)
}
