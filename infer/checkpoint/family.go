package checkpoint

import (
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// family is what is particular about a family's config.json. What is not said
// here is read alike for all of them; where a key is missing, transformers'
// default for the family holds (its configuration_*.py).
type family struct {
	read  func(c *Config, raw rawConfig) error // completes what was read alike
	write func(c Config, raw *rawConfig)       // nil: nothing to add
}

// families are those that can be read, by model_type. Package arch has the same
// rows: what their graphs are.
var families = map[string]family{
	"mistral":     {read: readMistral},
	"llama":       {read: readLlama},
	"qwen2":       {read: readQwen2, write: writeQwen},
	"qwen3":       {read: readQwen3, write: writeQwen},
	"gemma2":      {read: readGemma2, write: writeGemma},
	"gemma3_text": {read: readGemma3, write: writeGemma3},
}

// Families lists the decoders that [ParseConfig] reads, by model_type.
func Families() []string { return slices.Sorted(maps.Keys(families)) }

func unknownFamily(modelType string) error {
	known := append(Families(), llava, llavaNext)
	return fault.Bad("model_type", "config.json: model_type %q is not supported (these are: %s)", modelType, strings.Join(known, ", "))
}

// readMistral: every block has the window. Biases are nothing that Mistral has.
func readMistral(c *Config, raw rawConfig) error {
	if orDefault(raw.UseSlidingWindow, true) {
		c.SlidingWindow = raw.SlidingWindow.or(4096)
	}
	return orFirst(c.refuseBiases(true, true), c.readRope(raw, 10_000))
}

// readLlama: a window in its config is ignored, as transformers does.
func readLlama(c *Config, raw rawConfig) error { return c.readRope(raw, 10_000) }

// readQwen2: q, k and v always have biases; a key that says so changes nothing.
func readQwen2(c *Config, raw rawConfig) error {
	c.AttentionBias = false
	return orFirst(c.refuseBiases(false, true), c.readQwenWindow(raw), c.readRope(raw, 10_000))
}

// readQwen3: heads have a width of their own.
func readQwen3(c *Config, raw rawConfig) error {
	c.HeadDim = orDefault(raw.HeadDim, 128)
	return orFirst(c.refuseBiases(false, true), c.readQwenWindow(raw), c.readRope(raw, 10_000))
}

// readQwenWindow: the window is off unless switched on, and then the lower
// max_window_layers blocks still see everything.
func (c *Config) readQwenWindow(raw rawConfig) error {
	window := 0
	if orDefault(raw.UseSlidingWindow, false) {
		window = raw.SlidingWindow.or(4096)
	}
	full := orDefault(raw.MaxWindowLayers, 28)
	return c.readLayers(raw, window, func(block int) bool { return window != 0 && block >= full })
}

func writeQwen(c Config, raw *rawConfig) {
	if c.SlidingWindow > 0 {
		on := true
		raw.UseSlidingWindow, raw.LayerTypes = &on, c.layerTypes()
	}
}

// readGemma2: every other block slides, beginning with the first.
func readGemma2(c *Config, raw rawConfig) error {
	c.AttnLogitSoftcapping = float64(raw.AttnLogitSoftcapping.or(50))
	c.FinalLogitSoftcapping = float64(raw.FinalLogitSoftcapping.or(30))
	return orFirst(c.readGemma(raw, 2), c.readRope(raw, 10_000))
}

// readGemma3: one block in six sees everything, and rotates by another angle.
// Scores are not capped; transformers does not even read that key.
func readGemma3(c *Config, raw rawConfig) error {
	c.FinalLogitSoftcapping = float64(raw.FinalLogitSoftcapping.or(0))
	if raw.AttnLogitSoftcapping.or(0) != 0 {
		return unsupported("attn_logit_softcapping", raw.AttnLogitSoftcapping.or(0))
	}
	pattern := orDefault(raw.SlidingWindowPattern, 6)
	if pattern < 1 {
		return unsupported("sliding_window_pattern", pattern)
	}
	return orFirst(c.readGemma(raw, pattern), c.readRopes(raw, 1_000_000, 10_000))
}

// readGemma is what Gemma 2 and 3 have in common. Of every pattern blocks the
// last sees everything.
func (c *Config) readGemma(raw rawConfig, pattern int) error {
	c.HeadDim = orDefault(raw.HeadDim, 256)
	c.TieWordEmbeddings = orDefault(raw.TieWordEmbeddings, true)
	c.HiddenAct = raw.HiddenActivation // not hidden_act, which older files have beside it
	if c.HiddenAct == "" {
		c.HiddenAct = "gelu_pytorch_tanh"
	}
	c.QueryPreAttnScalar = orDefault(raw.QueryPreAttnScalar, 256)
	if c.QueryPreAttnScalar == 0 {
		return fault.Bad("query_pre_attn_scalar", "config.json: query_pre_attn_scalar = 0 is not positive")
	}
	if raw.Bidirectional {
		return unsupported("use_bidirectional_attention", true)
	}
	return orFirst(c.refuseBiases(false, true), c.readLayers(raw, raw.SlidingWindow.or(4096), func(block int) bool { return (block+1)%pattern != 0 }))
}

func writeGemma(c Config, raw *rawConfig) {
	raw.HiddenAct, raw.HiddenActivation = "", c.HiddenAct
	raw.QueryPreAttnScalar = &c.QueryPreAttnScalar
	raw.AttnLogitSoftcapping, raw.FinalLogitSoftcapping = zeroIsNull(decimal(c.AttnLogitSoftcapping)), zeroIsNull(decimal(c.FinalLogitSoftcapping))
	raw.LayerTypes = c.layerTypes()
}

func writeGemma3(c Config, raw *rawConfig) {
	writeGemma(c, raw)
	raw.RopeLocalBaseFreq = &c.RopeLocalTheta
}

// refuseBiases refuses those that a family does not have.
func (c *Config) refuseBiases(attention, mlp bool) error {
	if attention && c.AttentionBias {
		return unsupported("attention_bias", true)
	}
	if mlp && c.MLPBias {
		return unsupported("mlp_bias", true)
	}
	return nil
}

// The values of layer_types.
const (
	slidingLayer = "sliding_attention"
	fullLayer    = "full_attention"
)

// readLayers sets the window and the blocks that have it: those that layer_types
// names, or by the family's own rule.
func (c *Config) readLayers(raw rawConfig, window int, slides func(block int) bool) error {
	if c.NumHiddenLayers < 1 || c.NumHiddenLayers > maxLayers {
		return nil // Validate refuses it
	}
	if raw.LayerTypes != nil && len(raw.LayerTypes) != c.NumHiddenLayers {
		return fault.Bad("layer_types", "config.json: layer_types has %d entries for %d blocks", len(raw.LayerTypes), c.NumHiddenLayers)
	}
	sliding := make([]bool, c.NumHiddenLayers)
	for i := range sliding {
		sliding[i] = slides(i)
		if raw.LayerTypes == nil {
			continue
		}
		switch kind := raw.LayerTypes[i]; kind {
		case slidingLayer, fullLayer:
			sliding[i] = kind == slidingLayer
		default:
			return unsupported("layer_types", kind)
		}
	}
	if !slices.Contains(sliding, true) {
		return nil
	}
	if window < 1 {
		return fault.Bad("sliding_window", "config.json: some blocks have a sliding window, but sliding_window = %d is not positive", window)
	}
	c.SlidingWindow = window
	if slices.Contains(sliding, false) {
		c.SlidingLayers = sliding
	}
	return nil
}

// layerTypes says the same as readLayers reads.
func (c Config) layerTypes() []string {
	types := make([]string, c.NumHiddenLayers)
	for i := range types {
		types[i] = fullLayer
		if c.Window(i) > 0 {
			types[i] = slidingLayer
		}
	}
	return types
}

// orFirst is the first error.
func orFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
