package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// keys is a config.json of a small Mistral; changed replaces and, with nil,
// removes keys.
func keys(changed map[string]any) []byte {
	all := map[string]any{
		"model_type": "mistral", "architectures": []string{"MistralForCausalLM"},
		"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
		"rms_norm_eps": 1e-5, "rope_theta": 1e6, "torch_dtype": "bfloat16",
		"bos_token_id": 1, "eos_token_id": 2, "sliding_window": nil, "tie_word_embeddings": false,
	}
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(key string, value any) bool { return value == nil && key != "sliding_window" })
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return data
}

// small is what keys(nil) says.
func small() Config {
	return Config{
		ModelType: "mistral", Architectures: []string{"MistralForCausalLM"},
		VocabSize: 64, HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 8, MaxPositionEmbeddings: 128,
		RMSNormEps: 1e-5, RopeTheta: 1e6, HiddenAct: "silu", DType: dtypes.BFloat16,
		BOSTokenID: 1, EOSTokenIDs: []int{2},
	}
}

func TestParseConfigReads(t *testing.T) {
	llama3 := map[string]any{
		"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
	}
	with := func(base map[string]any, key string, value any) map[string]any {
		out := maps.Clone(base)
		out[key] = value
		return out
	}
	stretched := &RopeScaling{Type: "llama3", Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192}
	for name, c := range map[string]struct {
		changed map[string]any
		want    func(c *Config)
	}{
		"mistral":                       {nil, func(*Config) {}},
		"llama":                         {map[string]any{"model_type": "llama"}, func(c *Config) { c.ModelType = "llama" }},
		"unknown keys":                  {map[string]any{"use_cache": true, "pad_token_id": 7}, func(*Config) {}},
		"heads of a width of their own": {map[string]any{"head_dim": 16}, func(c *Config) { c.HeadDim = 16 }},
		"no grouped attention":          {map[string]any{"num_key_value_heads": nil}, func(c *Config) { c.NumKeyValueHeads = 4 }},
		"transformers' defaults": {map[string]any{"rms_norm_eps": nil, "rope_theta": nil, "torch_dtype": nil, "bos_token_id": nil, "eos_token_id": nil},
			func(c *Config) {
				c.RMSNormEps, c.RopeTheta, c.DType, c.BOSTokenID, c.EOSTokenIDs = 1e-6, 10000, dtypes.Float32, -1, nil
			}},
		"tied head":                     {map[string]any{"tie_word_embeddings": true}, func(c *Config) { c.TieWordEmbeddings = true }},
		"float16":                       {map[string]any{"torch_dtype": "float16"}, func(c *Config) { c.DType = dtypes.Float16 }},
		"dtype of transformers 5":       {map[string]any{"dtype": "float32"}, func(c *Config) { c.DType = dtypes.Float32 }},
		"a list of ends":                {map[string]any{"eos_token_id": []int{2, 7}}, func(c *Config) { c.EOSTokenIDs = []int{2, 7} }},
		"sliding window":                {map[string]any{"sliding_window": 16}, func(c *Config) { c.SlidingWindow = 16 }},
		"sliding window switched off":   {map[string]any{"sliding_window": 16, "use_sliding_window": false}, func(*Config) {}},
		"llama has no sliding window":   {map[string]any{"sliding_window": 16, "model_type": "llama"}, func(c *Config) { c.ModelType = "llama" }},
		"linear rope scaling":           {map[string]any{"rope_scaling": map[string]any{"type": "linear", "factor": 2}}, func(c *Config) { c.RopeScaling = &RopeScaling{Type: "linear", Factor: 2} }},
		"llama3 rope scaling":           {map[string]any{"rope_scaling": with(llama3, "rope_type", "llama3")}, func(c *Config) { c.RopeScaling = stretched }},
		"rope_parameters":               {map[string]any{"rope_theta": nil, "rope_parameters": with(with(llama3, "rope_type", "llama3"), "rope_theta", 5e5)}, func(c *Config) { c.RopeTheta, c.RopeScaling = 5e5, stretched }},
		"rope_parameters of no scaling": {map[string]any{"rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 500.0}}, func(c *Config) { c.RopeTheta = 500 }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseConfig(keys(c.changed))
			require.NoError(t, err)
			want := small()
			c.want(&want)
			require.Equal(t, want, got)
		})
	}
}

func TestParseConfigNamesTheKeyThatItRefuses(t *testing.T) {
	scaling := func(kind string, factor, low, high float64, size int) map[string]any {
		return map[string]any{"rope_scaling": map[string]any{
			"rope_type": kind, "factor": factor, "low_freq_factor": low, "high_freq_factor": high, "original_max_position_embeddings": size,
		}}
	}
	for _, c := range []struct {
		key     string
		changed map[string]any
	}{
		{"model_type", map[string]any{"model_type": "gemma"}},
		{"model_type", map[string]any{"model_type": "gemma3"}}, // with images
		{"quantization_config.quant_method", map[string]any{"quantization_config": map[string]any{"quant_method": "gptq"}}},
		{"model_type", map[string]any{"model_type": nil}},
		{"vocab_size", map[string]any{"vocab_size": 0}},
		{"vocab_size", map[string]any{"vocab_size": 1 << 40}},
		{"hidden_size", map[string]any{"hidden_size": -1}},
		{"intermediate_size", map[string]any{"intermediate_size": nil}},
		{"num_hidden_layers", map[string]any{"num_hidden_layers": maxLayers + 1}},
		{"num_attention_heads", map[string]any{"num_attention_heads": 0}},
		{"num_key_value_heads", map[string]any{"num_key_value_heads": 0}},
		{"num_key_value_heads", map[string]any{"num_key_value_heads": 3}},
		{"head_dim", map[string]any{"head_dim": 7}},
		{"head_dim", map[string]any{"head_dim": 0}},
		{"head_dim", map[string]any{"num_attention_heads": 33, "num_key_value_heads": 33}}, // narrower than one number
		{"max_position_embeddings", map[string]any{"max_position_embeddings": nil}},
		{"hidden_act", map[string]any{"hidden_act": "gelu"}},
		{"sliding_window", map[string]any{"sliding_window": -1}},
		{"rms_norm_eps", map[string]any{"rms_norm_eps": 0}},
		{"rms_norm_eps", map[string]any{"rms_norm_eps": 1}},
		{"rope_theta", map[string]any{"rope_theta": 0}},
		{"rope_theta", map[string]any{"rope_parameters": map[string]any{"rope_theta": -1}}},
		{"rope_scaling", scaling("linear", 0.5, 0, 0, 0)},
		{"rope_scaling", scaling("llama3", 8, 0, 4, 8192)},
		{"rope_scaling", scaling("llama3", 8, 4, 4, 8192)},
		{"rope_scaling", scaling("llama3", 8, 1, 4, 0)},
		{"rope_scaling", scaling("dynamic", 0.5, 0, 0, 0)},
		{"rope_scaling", scaling("yarn", 0.5, 0, 0, 16)},
		{"rope_scaling", scaling("yarn", 8, 0, 0, 0)},
		{"rope_scaling", map[string]any{"rope_scaling": map[string]any{"type": "yarn", "factor": 4, "attention_factor": 0}}},
		{"rope_scaling", map[string]any{"rope_scaling": map[string]any{"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2}}},
		{"rope_parameters", map[string]any{"rope_parameters": map[string]any{"full_attention": map[string]any{"rope_theta": 5}}}},
		{"partial_rotary_factor", map[string]any{"partial_rotary_factor": 0.5}},
		{"partial_rotary_factor", map[string]any{"rope_parameters": map[string]any{"partial_rotary_factor": 0.5}}},
		{"rope_scaling.rope_type", scaling("longrope", 8, 1, 4, 8192)},
		{"attention_bias", map[string]any{"attention_bias": true}},
		{"mlp_bias", map[string]any{"mlp_bias": true}},
		{"dtype", map[string]any{"torch_dtype": "int8"}},
		{"dtype", map[string]any{"dtype": "float8_e4m3fn"}},
		{"bos_token_id", map[string]any{"bos_token_id": 64}},
		{"bos_token_id", map[string]any{"bos_token_id": -2}},
		{"eos_token_id", map[string]any{"eos_token_id": 64}},
		{"eos_token_id", map[string]any{"eos_token_id": []int{2, -1}}},
	} {
		t.Run(fmt.Sprint(c.changed), func(t *testing.T) {
			_, err := ParseConfig(keys(c.changed))
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Equal(t, c.key, f.Param)
			require.ErrorContains(t, err, strings.TrimSuffix(c.key, ".rope_type"))
		})
	}
}

// of is a config.json of a family: that of keys without what only Mistral says.
func of(family string, changed map[string]any) []byte {
	all := map[string]any{"model_type": family, "head_dim": 8, "rope_theta": nil}
	maps.Copy(all, changed)
	return absent(keys(all), "sliding_window", changed)
}

// absent takes a key out unless it is among those that were changed.
func absent(data []byte, key string, changed map[string]any) []byte {
	if _, wanted := changed[key]; wanted {
		return data
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		panic(err)
	}
	delete(all, key)
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return data
}

// What each family means by the keys that are its own, present, null or missing:
// as transformers 5.23 has it in its configuration_*.py.
func TestParseConfigReadsFamilies(t *testing.T) {
	sliding, full := "sliding_attention", "full_attention"
	gemma := func(c *Config) {
		c.HiddenAct, c.QueryPreAttnScalar = "gelu_pytorch_tanh", 256
		c.SlidingWindow, c.SlidingLayers = 4096, []bool{true, false}
	}
	gemma2 := func(c *Config) { gemma(c); c.AttnLogitSoftcapping, c.FinalLogitSoftcapping = 50, 30 }
	gemma3 := func(c *Config) { gemma(c); c.SlidingLayers = nil; c.RopeTheta, c.RopeLocalTheta = 1e6, 1e4 }
	yarn := map[string]any{"rope_type": "yarn", "factor": 4.0}
	for _, c := range []struct {
		name, family string
		changed      map[string]any
		want         func(c *Config)
	}{
		{"a missing window is one of 4096", "mistral", nil, func(c *Config) { c.SlidingWindow = 4096 }},
		{"null is no window", "mistral", map[string]any{"sliding_window": nil}, func(*Config) {}},
		{"layer_types are not heeded", "mistral", map[string]any{"sliding_window": 6, "layer_types": []string{full, sliding}}, func(c *Config) { c.SlidingWindow = 6 }},

		{"no window", "llama", nil, func(*Config) {}},
		{"biases", "llama", map[string]any{"attention_bias": true, "mlp_bias": true}, func(c *Config) { c.AttentionBias, c.MLPBias = true, true }},
		{"yarn", "llama", map[string]any{"rope_scaling": yarn}, func(c *Config) {
			c.RopeScaling = &RopeScaling{Type: "yarn", Factor: 4, OriginalMaxPositionEmbeddings: 128, BetaFast: 32, BetaSlow: 1, AttentionFactor: 0.1*math.Log(4) + 1}
		}},
		{"yarn with all keys", "llama", map[string]any{"rope_parameters": map[string]any{
			"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64, "beta_fast": 16, "beta_slow": 2, "truncate": false, "attention_factor": 1.5, "rope_theta": 7.0,
		}}, func(c *Config) {
			c.RopeTheta = 7
			c.RopeScaling = &RopeScaling{Type: "yarn", Factor: 2, OriginalMaxPositionEmbeddings: 64, BetaFast: 16, BetaSlow: 2, AttentionFactor: 1.5, NoTruncate: true}
		}},
		{"yarn with scales", "llama", map[string]any{"rope_scaling": map[string]any{"type": "yarn", "factor": 4.0, "mscale": 2.0, "mscale_all_dim": 0.5}}, func(c *Config) {
			c.RopeScaling = &RopeScaling{Type: "yarn", Factor: 4, OriginalMaxPositionEmbeddings: 128, BetaFast: 32, BetaSlow: 1,
				AttentionFactor: (0.1*2*math.Log(4) + 1) / (0.1*0.5*math.Log(4) + 1)}
		}},
		{"dynamic", "llama", map[string]any{"rope_scaling": map[string]any{"type": "dynamic", "factor": 4.0}}, func(c *Config) { c.RopeScaling = &RopeScaling{Type: "dynamic", Factor: 4} }},
		{"llama3 counts from the context unless told", "llama", map[string]any{"rope_scaling": map[string]any{"type": "llama3", "factor": 4.0, "low_freq_factor": 1, "high_freq_factor": 4}},
			func(c *Config) {
				c.RopeScaling = &RopeScaling{Type: "llama3", Factor: 4, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 128}
			}},

		{"the window is off", "qwen2", map[string]any{"sliding_window": 6, "max_window_layers": 0}, func(*Config) {}},
		{"biases need no key", "qwen2", map[string]any{"attention_bias": true}, func(*Config) {}},
		{"switched on, but for the lower 28 blocks", "qwen2", map[string]any{"use_sliding_window": true, "sliding_window": 6}, func(*Config) {}},
		{"in the upper blocks", "qwen2", map[string]any{"use_sliding_window": true, "sliding_window": 6, "max_window_layers": 1},
			func(c *Config) { c.SlidingWindow, c.SlidingLayers = 6, []bool{false, true} }},
		{"in all blocks", "qwen2", map[string]any{"use_sliding_window": true, "max_window_layers": 0}, func(c *Config) { c.SlidingWindow = 4096 }},
		{"switched on, and null", "qwen2", map[string]any{"use_sliding_window": true, "sliding_window": nil, "max_window_layers": 0}, func(*Config) {}},
		{"layer_types", "qwen2", map[string]any{"use_sliding_window": true, "sliding_window": 6, "layer_types": []string{sliding, full}},
			func(c *Config) { c.SlidingWindow, c.SlidingLayers = 6, []bool{true, false} }},
		{"heads are 128 wide", "qwen3", map[string]any{"head_dim": nil}, func(c *Config) { c.HeadDim = 128 }},
		{"biases", "qwen3", map[string]any{"attention_bias": true}, func(c *Config) { c.AttentionBias = true }},

		{"defaults", "gemma2", map[string]any{"head_dim": nil, "tie_word_embeddings": nil}, func(c *Config) { gemma2(c); c.HeadDim, c.TieWordEmbeddings = 256, true }},
		{"no caps", "gemma2", map[string]any{"attn_logit_softcapping": "null", "final_logit_softcapping": "null"}, func(c *Config) { gemma(c) }},
		{"caps", "gemma2", map[string]any{"attn_logit_softcapping": 5, "final_logit_softcapping": 6.5, "query_pre_attn_scalar": 24},
			func(c *Config) {
				gemma2(c)
				c.AttnLogitSoftcapping, c.FinalLogitSoftcapping, c.QueryPreAttnScalar = 5, 6.5, 24
			}},
		{"the activation has its own key", "gemma2", map[string]any{"hidden_act": "gelu", "hidden_activation": "silu"}, func(c *Config) { gemma2(c); c.HiddenAct = "silu" }},
		{"no windows", "gemma2", map[string]any{"sliding_window": nil, "layer_types": []string{full, full}}, func(c *Config) { gemma2(c); c.SlidingWindow, c.SlidingLayers = 0, nil }},

		{"five of six blocks slide", "gemma3_text", map[string]any{"num_hidden_layers": 7}, func(c *Config) {
			gemma3(c)
			c.NumHiddenLayers, c.SlidingLayers = 7, []bool{true, true, true, true, true, false, true}
		}},
		{"every other block", "gemma3_text", map[string]any{"sliding_window_pattern": 2}, func(c *Config) { gemma3(c); c.SlidingLayers = []bool{true, false} }},
		{"two rotations", "gemma3_text", map[string]any{"rope_theta": 5.0, "rope_local_base_freq": 3.0, "rope_scaling": map[string]any{"rope_type": "linear", "factor": 8.0}},
			func(c *Config) {
				gemma3(c)
				c.RopeTheta, c.RopeLocalTheta, c.RopeScaling = 5, 3, &RopeScaling{Type: "linear", Factor: 8}
			}},
		{"two rotations in transformers 5", "gemma3_text", map[string]any{"rope_parameters": map[string]any{
			full: map[string]any{"rope_type": "linear", "factor": 8.0, "rope_theta": 5.0}, sliding: map[string]any{"rope_type": "default", "rope_theta": 3.0},
		}}, func(c *Config) {
			gemma3(c)
			c.RopeTheta, c.RopeLocalTheta, c.RopeScaling = 5, 3, &RopeScaling{Type: "linear", Factor: 8}
		}},
	} {
		t.Run(c.family+": "+c.name, func(t *testing.T) {
			data := of(c.family, c.changed)
			data = bytes.ReplaceAll(data, []byte(`"null"`), []byte(`null`)) // keys takes nil for a missing key
			got, err := ParseConfig(data)
			require.NoError(t, err)
			want := small()
			want.ModelType, want.RopeTheta = c.family, 1e4
			c.want(&want)
			require.Equal(t, want, got)

			written, err := got.JSON()
			require.NoError(t, err)
			again, err := ParseConfig(written)
			require.NoError(t, err)
			require.Equal(t, got, again, "written and read again: %s", written)
		})
	}
}

// transformers refuses a whole number where it wants a float.
func TestCapsAreWrittenWithADecimalPoint(t *testing.T) {
	c, err := ParseConfig(of("gemma2", map[string]any{"final_logit_softcapping": 1e30}))
	require.NoError(t, err)
	data, err := c.JSON()
	require.NoError(t, err)
	require.Contains(t, string(data), `"attn_logit_softcapping": 50.0,`)
	require.Contains(t, string(data), `"final_logit_softcapping": 1e+30,`)
}

func TestParseConfigNamesTheKeyOfAFamilyThatItRefuses(t *testing.T) {
	types := func(types ...string) map[string]any { return map[string]any{"layer_types": types} }
	for _, c := range []struct {
		family, key string
		changed     map[string]any
	}{
		{"qwen2", "mlp_bias", map[string]any{"mlp_bias": true}},
		{"qwen2", "sliding_window", types("sliding_attention", "full_attention")}, // and it is off
		{"qwen2", "sliding_window", map[string]any{"use_sliding_window": true, "sliding_window": -1, "max_window_layers": 0}},
		{"qwen3", "layer_types", types("full_attention")},
		{"qwen3", "layer_types", types("full_attention", "chunked_attention")},
		{"gemma2", "num_hidden_layers", map[string]any{"num_hidden_layers": 1 << 40}},
		{"gemma2", "sliding_window", map[string]any{"sliding_window": nil}},
		{"gemma2", "query_pre_attn_scalar", map[string]any{"query_pre_attn_scalar": 0}},
		{"gemma2", "query_pre_attn_scalar", map[string]any{"query_pre_attn_scalar": -1}},
		{"gemma2", "attn_logit_softcapping", map[string]any{"attn_logit_softcapping": -1}},
		{"gemma2", "final_logit_softcapping", map[string]any{"final_logit_softcapping": -1}},
		{"gemma2", "use_bidirectional_attention", map[string]any{"use_bidirectional_attention": true}},
		{"gemma2", "hidden_act", map[string]any{"hidden_activation": "relu"}},
		{"gemma3_text", "attn_logit_softcapping", map[string]any{"attn_logit_softcapping": 50}},
		{"gemma3_text", "sliding_window_pattern", map[string]any{"sliding_window_pattern": 0}},
		{"gemma3_text", "rope_local_base_freq", map[string]any{"rope_local_base_freq": 0}},
		{"gemma3_text", "rope_parameters", map[string]any{"rope_parameters": map[string]any{"rope_theta": 5.0}}},
		{"gemma3_text", "rope_parameters.sliding_attention.rope_type", map[string]any{"rope_parameters": map[string]any{
			"sliding_attention": map[string]any{"rope_type": "linear", "factor": 2},
		}}},
	} {
		t.Run(fmt.Sprint(c.family, c.changed), func(t *testing.T) {
			_, err := ParseConfig(of(c.family, c.changed))
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Equal(t, c.key, f.Param)
			require.ErrorContains(t, err, "config.json: ")
		})
	}
}

func TestParseConfigThatIsBrokenIsDamaged(t *testing.T) {
	whole := keys(nil)
	for name, data := range map[string][]byte{
		"nothing":               {},
		"a list":                []byte(`[]`),
		"text for a number":     keys(map[string]any{"hidden_size": "32"}),
		"a fraction of a layer": keys(map[string]any{"num_hidden_layers": 1.5}),
		"a number too large":    []byte(strings.Replace(string(whole), `"vocab_size":64`, `"vocab_size":99999999999999999999`, 1)),
		"text for an end":       keys(map[string]any{"eos_token_id": "</s>"}),
		"null among the ends":   keys(map[string]any{"eos_token_id": []any{2, nil}}),
		"too many bytes":        append([]byte(strings.Repeat(" ", maxConfigBytes)), whole...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseConfig(data)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
		})
	}
	for n := range len(whole) {
		_, err := ParseConfig(whole[:n])
		require.Equal(t, fault.Damaged, fault.CodeOf(err), "cut after %d bytes", n)
	}
}

func TestConfigIsReadBackAsItWasWritten(t *testing.T) {
	full := small()
	full.SlidingWindow, full.TieWordEmbeddings, full.EOSTokenIDs, full.DType = 16, true, []int{2, 3}, dtypes.Float16
	llama := small()
	llama.ModelType, llama.BOSTokenID, llama.EOSTokenIDs, llama.HeadDim = "llama", -1, nil, 64
	llama.RopeScaling = &RopeScaling{Type: "llama3", Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192}
	linear := small()
	linear.RopeScaling = &RopeScaling{Type: "linear", Factor: 1.5}
	for _, want := range []Config{small(), full, llama, linear} {
		data, err := want.JSON()
		require.NoError(t, err)
		got, err := ParseConfig(data)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	other := small()
	other.DType = dtypes.Int8
	_, err := other.JSON()
	require.ErrorContains(t, err, "dtype")
}

func TestReadConfigTakesTheEndsOfGeneration(t *testing.T) {
	for name, c := range map[string]struct {
		generation string
		want       []int
		code       fault.Code
	}{
		"none there":      {``, []int{2}, ""},
		"without ends":    {`{"temperature":0.7}`, []int{2}, ""},
		"null":            {`{"eos_token_id":null}`, []int{2}, ""},
		"one":             {`{"eos_token_id":5}`, []int{5}, ""},
		"many":            {`{"eos_token_id":[5,6]}`, []int{5, 6}, ""},
		"no token":        {`{"eos_token_id":64}`, nil, fault.Invalid},
		"text":            {`{"eos_token_id":"x"}`, nil, fault.Damaged},
		"cut off":         {`{"eos_token_id":`, nil, fault.Damaged},
		"not a JSON file": {`eos`, nil, fault.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, ConfigFile, keys(nil))
			if c.generation != "" {
				put(t, dir, GenerationConfigFile, []byte(c.generation))
			}
			got, err := ReadConfig(dir)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			if err == nil {
				require.Equal(t, c.want, got.EOSTokenIDs)
			}
		})
	}
}

func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}

// What parses can be written, and means the same when it is read again.
func FuzzConfig(f *testing.F) {
	f.Add(keys(nil))
	f.Add(keys(map[string]any{"model_type": "llama", "tie_word_embeddings": true, "eos_token_id": []int{2, 3},
		"rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}))
	f.Add(keys(map[string]any{"rope_parameters": map[string]any{"rope_type": "linear", "factor": 1e300, "rope_theta": 5e-324}, "sliding_window": 4096}))
	f.Add([]byte(`{"eos_token_id":[[]],"bos_token_id":null,"head_dim":1e2}`))
	f.Add([]byte(`{"rope_scaling":{"type":"yarn"}}`))
	f.Add(of("qwen2", map[string]any{"use_sliding_window": true, "max_window_layers": 1, "rope_scaling": map[string]any{"type": "yarn", "factor": 4, "mscale": 1e300, "mscale_all_dim": 1}}))
	f.Add(of("gemma3_text", map[string]any{"layer_types": []string{"full_attention", "sliding_attention"}, "final_logit_softcapping": 1e-300}))
	f.Add(seeing(nil))
	f.Add(seeing(map[string]any{"model_type": "llava", "text_config": nil, "vision_config": nil, "vision_feature_layer": []int{-2, 3}}))
	f.Add([]byte(`{"model_type":"llava_next","vision_config":{"image_size":[7,7],"patch_size":7},"image_grid_pinpoints":[[7,14]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, v, err := ParseModel(data)
		if err != nil {
			require.Contains(t, []fault.Code{fault.Invalid, fault.Damaged}, fault.CodeOf(err), "%v", err)
			return
		}
		write := func(c Config, v *VisionConfig) ([]byte, error) {
			if v != nil {
				return v.JSON(c)
			}
			return c.JSON()
		}
		written, err := write(c, v)
		require.NoError(t, err)
		again, seen, err := ParseModel(written)
		require.NoError(t, err)
		require.Equal(t, v, seen)
		rewritten, err := write(again, seen)
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
	})
}
