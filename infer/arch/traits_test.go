package arch_test

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// A fixture proves a key only if its logits depend on it: without the key, or
// with another family's way, they must be clearly others.
func TestFixturesFeelEveryKey(t *testing.T) {
	family := func(name string) func(*checkpoint.Config) { return func(c *checkpoint.Config) { c.ModelType = name } }
	noWindow := func(c *checkpoint.Config) { c.SlidingWindow, c.SlidingLayers = 0, nil }
	noScaling := func(c *checkpoint.Config) { c.RopeScaling = nil }
	otherLayers := func(c *checkpoint.Config) { c.SlidingLayers = nil }
	scaling := func(change func(*checkpoint.RopeScaling)) func(*checkpoint.Config) {
		return func(c *checkpoint.Config) {
			s := *c.RopeScaling
			change(&s)
			c.RopeScaling = &s
		}
	}
	for _, c := range []struct {
		model  string
		change map[string]func(*checkpoint.Config)
	}{
		{"mistral-f32", map[string]func(*checkpoint.Config){"window": noWindow}},
		{"llama-f32", map[string]func(*checkpoint.Config){
			"scaling":         noScaling,
			"low frequencies": scaling(func(s *checkpoint.RopeScaling) { s.LowFreqFactor = 0.2 }),
			"high":            scaling(func(s *checkpoint.RopeScaling) { s.HighFreqFactor = 1.01 }),
		}},
		{"llama-bias-f32", map[string]func(*checkpoint.Config){"scaling": noScaling}},
		{"qwen2-f32", map[string]func(*checkpoint.Config){
			"window": noWindow, "layers": otherLayers, "scaling": noScaling,
			"amplitude": scaling(func(s *checkpoint.RopeScaling) { s.AttentionFactor = 1 }),
			"rounding":  scaling(func(s *checkpoint.RopeScaling) { s.NoTruncate = true }),
			"slow beta": scaling(func(s *checkpoint.RopeScaling) { s.BetaSlow = 1 }),
		}},
		{"qwen3-f32", map[string]func(*checkpoint.Config){"norms of heads": family("llama")}},
		{"gemma2-f32", map[string]func(*checkpoint.Config){
			"window": noWindow, "layers": otherLayers, "norms": family("mistral"),
			"scale":      func(c *checkpoint.Config) { c.QueryPreAttnScalar = 0 },
			"score cap":  func(c *checkpoint.Config) { c.AttnLogitSoftcapping = 0 },
			"logit cap":  func(c *checkpoint.Config) { c.FinalLogitSoftcapping = 0 },
			"activation": func(c *checkpoint.Config) { c.HiddenAct = "silu" },
		}},
		{"gemma3-f32", map[string]func(*checkpoint.Config){
			"window": noWindow, "layers": otherLayers, "scaling": noScaling, "norms of heads": family("gemma2"),
			"local rotation": func(c *checkpoint.Config) { c.RopeLocalTheta = c.RopeTheta },
			"scale":          func(c *checkpoint.Config) { c.QueryPreAttnScalar = 0 },
		}},
	} {
		config, params, want := fixture(t, c.model)
		for name, change := range c.change {
			t.Run(c.model+" "+name, func(t *testing.T) {
				changed := config
				change(&changed)
				logits, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
					return arch.Forward(changed, arch.Bind(config, in), graph.ExpandDims(graph.Const(in[0].Graph(), want.Prompt), 0))
				}, params...)
				require.NoError(t, err)
				flat, moved := tensors.MustCopyFlatData[float32](logits), 0.0
				for i, row := range want.Logits {
					for v, x := range row {
						moved = max(moved, math.Abs(float64(x-flat[i*config.VocabSize+v])))
					}
				}
				require.Greater(t, moved, 0.003)
			})
		}
	}
}

// The biases and norms that a family adds lie in their blocks' groups.
func TestParamsOfEachFamily(t *testing.T) {
	for _, c := range []struct {
		model string
		block []string // besides the weights of Llama's block
	}{
		{"mistral-f32", nil},
		{"llama-f32", nil},
		{"llama-bias-f32", []string{
			"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias", "self_attn.o_proj.bias",
			"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias",
		}},
		{"qwen2-f32", []string{"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"}},
		{"qwen3-f32", []string{"self_attn.q_norm.weight", "self_attn.k_norm.weight"}},
		{"gemma2-f32", []string{"pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"}},
		{"gemma3-f32", []string{
			"self_attn.q_norm.weight", "self_attn.k_norm.weight", "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight",
		}},
	} {
		t.Run(c.model, func(t *testing.T) {
			config, _, _ := fixture(t, c.model)
			groups := map[string]arch.Group{}
			var order []arch.Group
			for _, p := range arch.Params(config) {
				groups[p.Name] = p.Group
				if len(order) == 0 || order[len(order)-1] != p.Group {
					order = append(order, p.Group)
				}
			}
			require.Len(t, order, 2+config.NumHiddenLayers, "the tensors of a group come together")
			want := 9 * config.NumHiddenLayers
			for block := range config.NumHiddenLayers {
				for _, name := range c.block {
					full := "model.layers." + string(rune('0'+block)) + "." + name
					require.Equal(t, arch.Group{Part: arch.Block, Block: block}, groups[full], full)
					want++
				}
			}
			for _, g := range groups {
				if g.Part == arch.Block {
					want--
				}
			}
			require.Zero(t, want, "and no others")
		})
	}
}
