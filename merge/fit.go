package merge

import (
	"fmt"
	"math"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// CheckFit says whether the models that a valid recipe names can be merged with
// one another: fault.Unfit, with every problem listed, as they are mended in one
// go. An invalid recipe is fault.Invalid.
//
// What shapes the weights or gives them their meaning has to be the same in all
// models. What only says how a model is used (its longest context, its sliding
// window, the epsilon of its norms, the dtype of its file) need not be: the
// merged model has it from its parent.
func CheckFit(r Recipe, configs map[string]checkpoint.Config) error {
	if err := r.Validate(); err != nil {
		return err
	}
	r = r.withDefaults()
	var problems []string
	for _, name := range r.Models() {
		if _, ok := configs[name]; !ok {
			problems = append(problems, fmt.Sprintf("there is no model %q", name))
		}
	}
	if parent, ok := configs[r.Parent()]; ok {
		for _, name := range r.Models() {
			if c, ok := configs[name]; ok && name != r.Parent() {
				problems = append(problems, differences(r.Parent(), parent, name, c)...)
			}
		}
		if r.Layers != 0 && r.Layers != parent.NumHiddenLayers {
			problems = append(problems, fmt.Sprintf("the slices have %d layers and %q has %d: only slices of all layers are supported", r.Layers, r.Parent(), parent.NumHiddenLayers))
		}
		problems = append(problems, groupProblems(r, r.Groups.Count(parent.NumHiddenLayers))...)
		problems = append(problems, meanProblems(r, parent)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return fault.New(fault.Unfit, "these models can't be merged: %s", strings.Join(problems, "; "))
}

// traits are what merged models must have in common.
var traits = []struct {
	name string
	of   func(checkpoint.Config) any
}{
	{"model_type", func(c checkpoint.Config) any { return c.ModelType }},
	{"hidden_size", func(c checkpoint.Config) any { return c.HiddenSize }},
	{"num_hidden_layers", func(c checkpoint.Config) any { return c.NumHiddenLayers }},
	{"num_attention_heads", func(c checkpoint.Config) any { return c.NumAttentionHeads }},
	{"num_key_value_heads", func(c checkpoint.Config) any { return c.NumKeyValueHeads }},
	{"head_dim", func(c checkpoint.Config) any { return c.HeadDim }},
	{"intermediate_size", func(c checkpoint.Config) any { return c.IntermediateSize }},
	{"vocab_size", func(c checkpoint.Config) any { return c.VocabSize }},
	{"tie_word_embeddings", func(c checkpoint.Config) any { return c.TieWordEmbeddings }},
	{"hidden_act", func(c checkpoint.Config) any { return c.HiddenAct }},
	{"rope_theta", func(c checkpoint.Config) any { return c.RopeTheta }},
	{"rope_scaling", func(c checkpoint.Config) any { return ropeScaling(c) }},
	{"rope_local_base_freq", func(c checkpoint.Config) any { return c.RopeLocalTheta }},
	{"layer_types", func(c checkpoint.Config) any { return localLayers(c) }},
	{"attention_bias", func(c checkpoint.Config) any { return c.AttentionBias }},
	{"mlp_bias", func(c checkpoint.Config) any { return c.MLPBias }},
	{"query_pre_attn_scalar", func(c checkpoint.Config) any { return c.QueryPreAttnScalar }},
	{"attn_logit_softcapping", func(c checkpoint.Config) any { return c.AttnLogitSoftcapping }},
	{"final_logit_softcapping", func(c checkpoint.Config) any { return c.FinalLogitSoftcapping }},
}

// localLayers lists the blocks that rotate by an angle of their own. Where all
// blocks rotate alike, which of them have a window is only how a model is used.
func localLayers(c checkpoint.Config) string {
	var local []int
	for i := range c.NumHiddenLayers {
		if c.RopeLocalTheta > 0 && c.Window(i) > 0 {
			local = append(local, i)
		}
	}
	return fmt.Sprint(local)
}

// ropeScaling is the scaling by value; none is the zero value.
func ropeScaling(c checkpoint.Config) checkpoint.RopeScaling {
	if c.RopeScaling == nil {
		return checkpoint.RopeScaling{}
	}
	return *c.RopeScaling
}

// differences lists the traits that two models don't share.
func differences(a string, ca checkpoint.Config, b string, cb checkpoint.Config) []string {
	var problems []string
	for _, t := range traits {
		if va, vb := t.of(ca), t.of(cb); va != vb {
			problems = append(problems, fmt.Sprintf("%s of %q is %v, of %q %v", t.name, b, vb, a, va))
		}
	}
	return problems
}

// groupProblems lists the sources whose numbers don't match the layer groups.
func groupProblems(r Recipe, groups int) []string {
	var problems []string
	for _, s := range r.Sources {
		for _, list := range []struct {
			name   string
			values []float64
		}{{"weight", s.Weight.Values}, {"density", s.Density.Values}} {
			if n := len(list.values); n > 1 && n != groups {
				problems = append(problems, fmt.Sprintf("%s of %q has %d values for the %d layer groups of grouping %q",
					list.name, s.Model, n, groups, string(r.Groups)))
			}
		}
	}
	return problems
}

// meanProblems names the first tensor in which a weighted mean is undefined.
func meanProblems(r Recipe, c checkpoint.Config) []string {
	if !r.Normalize || r.Method.NeedsBase() {
		return nil
	}
	for _, p := range r.places(c) {
		if sum := r.weightSum(p); math.Abs(sum) < minDivisor {
			return []string{fmt.Sprintf("the weights in %s sum to %v, so their mean is undefined", p.name, sum)}
		}
	}
	return nil
}
