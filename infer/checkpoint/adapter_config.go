package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// maxPatterns is how many patterns an adapter may have for ranks, and for alphas.
const maxPatterns = 4096

// adapterConfig is what PEFT's adapter_config.json says, as far as it matters to
// what is added to weights. The rest is about training.
type adapterConfig struct {
	Type         string             `json:"peft_type"`
	Base         string             `json:"base_model_name_or_path"`
	R            int                `json:"r"`
	Alpha        *float64           `json:"lora_alpha"`
	RSLoRA       bool               `json:"use_rslora"`
	RankPattern  map[string]int     `json:"rank_pattern"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`

	ranks, alphas []modulePattern
}

// modulePattern says something of the modules whose name it matches the end of.
type modulePattern struct {
	names *regexp.Regexp
	value float64
}

// adapterKeys are PEFT's keys that do not change what an adapter's weights mean,
// whatever they say, or that adapterConfig has.
var adapterKeys = []string{
	"alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
	"exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout",
	"megatron_config", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern",
	"revision", "runtime_config", "target_modules", "task_type", "use_rslora",
}

// adapterValues are the values of other keys with which they don't change that. Any
// key may be null, false or empty.
var adapterValues = map[string][]string{
	"bias": {`"none"`},
	// Others begin by taking their own first values out of the model's weights.
	"init_lora_weights": {"true", `"gaussian"`, `"eva"`, `"orthogonal"`},
}

// changesNothing tells whether a key of adapter_config.json can be passed over.
func changesNothing(key string, value []byte) bool {
	text := string(value)
	return slices.Contains(adapterKeys, key) || slices.Contains(adapterValues[key], text) ||
		slices.Contains([]string{"null", "false", "[]", "{}"}, text)
}

// parseAdapterConfig reads adapter_config.json.
func parseAdapterConfig(data []byte) (adapterConfig, error) {
	var c adapterConfig
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return c, fault.Wrap(err, fault.Damaged, "%s does not parse", AdapterConfigFile)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fault.Wrap(err, fault.Damaged, "%s does not parse", AdapterConfigFile)
	}
	if c.Type != "LORA" {
		return c, fault.New(fault.Damaged, "%s: peft_type %q is not supported: it must be LORA", AdapterConfigFile, c.Type)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !changesNothing(key, all[key]) {
			return c, fault.New(fault.Damaged, "%s: %.80s is %.80s, which is not supported", AdapterConfigFile, key, all[key])
		}
	}
	if c.R <= 0 || c.Alpha == nil || len(c.RankPattern) > maxPatterns || len(c.AlphaPattern) > maxPatterns {
		return c, fault.New(fault.Damaged, "%s: r must be above zero, lora_alpha given, and there may be %d patterns", AdapterConfigFile, maxPatterns)
	}
	for pattern, rank := range c.RankPattern {
		if err := addPattern(&c.ranks, "rank_pattern", pattern, float64(rank)); err != nil {
			return c, err
		}
	}
	for pattern, alpha := range c.AlphaPattern {
		if err := addPattern(&c.alphas, "alpha_pattern", pattern, alpha); err != nil {
			return c, err
		}
	}
	return c, nil
}

// addPattern compiles a pattern as PEFT matches it: against the end of a name that
// begins after a dot, or all of it.
func addPattern(to *[]modulePattern, key, pattern string, value float64) error {
	if len(pattern) > maxNameBytes {
		return fault.New(fault.Damaged, "%s: a %s of %d bytes: at most %d", AdapterConfigFile, key, len(pattern), maxNameBytes)
	}
	names, err := regexp.Compile(`^(?:.*\.)?(?:` + pattern + `)$`)
	if err != nil {
		return fault.Wrap(err, fault.Damaged, "%s: %s %q", AdapterConfigFile, key, pattern)
	}
	*to = append(*to, modulePattern{names, value})
	return nil
}

// maxNameBytes is the longest pattern.
const maxNameBytes = 1024

// rank is the rank of a module's delta.
func (c adapterConfig) rank(module string) (int, error) {
	v, err := patternValue(c.ranks, module, float64(c.R))
	return int(v), err
}

// alpha is the alpha of a module's delta.
func (c adapterConfig) alpha(module string) (float64, error) {
	return patternValue(c.alphas, module, *c.Alpha)
}

// patternValue is what the patterns say of a module. PEFT goes by the order in which
// they are written; where that would matter, they are refused.
func patternValue(patterns []modulePattern, module string, value float64) (float64, error) {
	found := false
	for _, p := range patterns {
		if !p.names.MatchString(module) {
			continue
		}
		if found && p.value != value {
			return 0, fmt.Errorf("several patterns for ranks or alphas fit, and disagree")
		}
		value, found = p.value, true
	}
	return value, nil
}
