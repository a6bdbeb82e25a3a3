package checkpoint

import (
	"math"

	"github.com/mergeway/mergeway/fault"
)

// RopeScaling stretches the rotary position embedding beyond the trained context.
// "dynamic" stretches it only beyond max_position_embeddings, where nothing is
// served, and so changes nothing; it is kept for who takes the config over.
type RopeScaling struct {
	Type                          string // "linear", "llama3", "yarn" or "dynamic"
	Factor                        float64
	LowFreqFactor, HighFreqFactor float64 // llama3
	OriginalMaxPositionEmbeddings int     // llama3, yarn
	BetaFast, BetaSlow            float64 // yarn: pairs that turn more often than this keep their angle; less often, are stretched
	AttentionFactor               float64 // yarn: what cosines and sines are multiplied by
	NoTruncate                    bool    // yarn: the range between the betas is not rounded to whole pairs
}

type rawRope struct {
	Type            string   `json:"type,omitempty"`
	RopeType        string   `json:"rope_type,omitempty"`
	RopeTheta       *float64 `json:"rope_theta,omitempty"`
	Factor          float64  `json:"factor,omitempty"`
	LowFreqFactor   float64  `json:"low_freq_factor,omitempty"`
	HighFreqFactor  float64  `json:"high_freq_factor,omitempty"`
	OriginalMaxSize *int     `json:"original_max_position_embeddings,omitempty"`
	BetaFast        float64  `json:"beta_fast,omitempty"`
	BetaSlow        float64  `json:"beta_slow,omitempty"`
	AttentionFactor *float64 `json:"attention_factor,omitempty"`
	MScale          float64  `json:"mscale,omitempty"`
	MScaleAllDim    float64  `json:"mscale_all_dim,omitempty"`
	Truncate        *bool    `json:"truncate,omitempty"`
	PartialFactor   *float64 `json:"partial_rotary_factor,omitempty"`

	// Of each kind of block, where they differ.
	Full    *rawRope `json:"full_attention,omitempty"`
	Sliding *rawRope `json:"sliding_attention,omitempty"`
}

func (r rawRope) kind() string {
	kind := r.RopeType
	if kind == "" {
		kind = r.Type
	}
	if kind == "" {
		kind = "default"
	}
	return kind
}

// readRope reads one embedding for all blocks.
func (c *Config) readRope(raw rawConfig, theta float64) error {
	for _, rope := range []*rawRope{raw.RopeScaling, raw.RopeParameters} {
		if rope != nil && (rope.Full != nil || rope.Sliding != nil) {
			return fault.Bad("rope_parameters", "config.json: rope_parameters for each kind of layer are not supported for model_type %q", c.ModelType)
		}
	}
	return c.addRope(raw, theta, raw.RopeScaling, raw.RopeParameters)
}

// readRopes reads two: the keys without "local" in their names, and
// rope_parameters.full_attention, are those of the blocks without a window.
func (c *Config) readRopes(raw rawConfig, theta, local float64) error {
	c.RopeLocalTheta = orDefault(raw.RopeLocalBaseFreq, local)
	var full *rawRope
	if p := raw.RopeParameters; p != nil {
		if p.Full == nil && p.Sliding == nil {
			return fault.Bad("rope_parameters", "config.json: rope_parameters has neither full_attention nor sliding_attention")
		}
		full = p.Full
		if s := p.Sliding; s != nil {
			if s.kind() != "default" {
				return unsupported("rope_parameters.sliding_attention.rope_type", s.kind())
			}
			c.RopeLocalTheta = orDefault(s.RopeTheta, c.RopeLocalTheta)
		}
	}
	if !(c.RopeLocalTheta > 0) {
		return fault.Bad("rope_local_base_freq", "config.json: rope_local_base_freq = %g is not positive", c.RopeLocalTheta)
	}
	return c.addRope(raw, theta, raw.RopeScaling, full)
}

// addRope sets RopeTheta and RopeScaling; later ropes win, missing ones are nil.
func (c *Config) addRope(raw rawConfig, theta float64, ropes ...*rawRope) error {
	c.RopeTheta = orDefault(raw.RopeTheta, theta)
	if p := orDefault(raw.PartialRotaryFactor, 1); p != 1 {
		return unsupported("partial_rotary_factor", p)
	}
	for _, rope := range ropes {
		if rope == nil {
			continue
		}
		c.RopeTheta = orDefault(rope.RopeTheta, c.RopeTheta)
		if p := orDefault(rope.PartialFactor, 1); p != 1 {
			return unsupported("partial_rotary_factor", p)
		}
		s := RopeScaling{Type: rope.kind(), Factor: rope.Factor}
		switch s.Type {
		case "default":
			continue
		case "linear", "dynamic":
		case "llama3":
			s.LowFreqFactor, s.HighFreqFactor = rope.LowFreqFactor, rope.HighFreqFactor
			s.OriginalMaxPositionEmbeddings = orDefault(rope.OriginalMaxSize, c.MaxPositionEmbeddings)
		case "yarn":
			s.readYarn(*rope, c.MaxPositionEmbeddings)
		default:
			return unsupported("rope_scaling.rope_type", s.Type)
		}
		c.RopeScaling = &s
	}
	return nil
}

// readYarn sets what only YaRN has, with the defaults of transformers'
// _compute_yarn_parameters.
func (s *RopeScaling) readYarn(rope rawRope, longest int) {
	s.OriginalMaxPositionEmbeddings = orDefault(rope.OriginalMaxSize, longest)
	s.NoTruncate = !orDefault(rope.Truncate, true)
	s.BetaFast, s.BetaSlow = rope.BetaFast, rope.BetaSlow
	if s.BetaFast == 0 {
		s.BetaFast = 32
	}
	if s.BetaSlow == 0 {
		s.BetaSlow = 1
	}
	attention := func(scale float64) float64 { return 0.1*scale*math.Log(max(s.Factor, 1)) + 1 }
	s.AttentionFactor = attention(1)
	if rope.MScale != 0 && rope.MScaleAllDim != 0 {
		s.AttentionFactor = attention(rope.MScale) / attention(rope.MScaleAllDim)
	}
	s.AttentionFactor = orDefault(rope.AttentionFactor, s.AttentionFactor)
}

// validate names the key of a number that can't be.
func (s RopeScaling) validate() error {
	ok := s.Factor >= 1 && !math.IsInf(s.Factor, 0)
	switch s.Type {
	case "linear", "dynamic":
	case "llama3":
		ok = ok && s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.OriginalMaxPositionEmbeddings > 0
	case "yarn":
		ok = ok && s.OriginalMaxPositionEmbeddings > 0 && s.BetaSlow > 0 && s.BetaFast >= s.BetaSlow &&
			s.AttentionFactor > 0 && !math.IsInf(s.AttentionFactor, 0)
	default:
		return unsupported("rope_scaling.rope_type", s.Type)
	}
	if !ok {
		return fault.Bad("rope_scaling", "config.json: rope_scaling %+v is out of range", s)
	}
	return nil
}

// raw is what addRope reads.
func (s RopeScaling) raw() *rawRope {
	r := &rawRope{
		RopeType: s.Type, Factor: s.Factor, LowFreqFactor: s.LowFreqFactor, HighFreqFactor: s.HighFreqFactor,
		BetaFast: s.BetaFast, BetaSlow: s.BetaSlow,
	}
	if s.OriginalMaxPositionEmbeddings > 0 {
		r.OriginalMaxSize = &s.OriginalMaxPositionEmbeddings
	}
	if s.AttentionFactor > 0 {
		r.AttentionFactor = &s.AttentionFactor
	}
	if s.NoTruncate {
		truncate := false
		r.Truncate = &truncate
	}
	return r
}
