package merge

import (
	"fmt"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// traits are what merged models must have in common. What belongs to the ends of
// a model need not be the same in models that lend blocks alone, and what is about
// each block is looked at block by block where models are stacked.
var traits = []struct {
	kind Kind
	name string
	of   func(checkpoint.Config) any
}{
	{KindArchitecture, "model_type", func(c checkpoint.Config) any { return c.ModelType }},
	{KindShape, "hidden_size", func(c checkpoint.Config) any { return c.HiddenSize }},
	{KindShape, "num_hidden_layers", func(c checkpoint.Config) any { return c.NumHiddenLayers }},
	{KindShape, "num_attention_heads", func(c checkpoint.Config) any { return c.NumAttentionHeads }},
	{KindShape, "num_key_value_heads", func(c checkpoint.Config) any { return c.NumKeyValueHeads }},
	{KindShape, "head_dim", func(c checkpoint.Config) any { return c.HeadDim }},
	{KindShape, "intermediate_size", func(c checkpoint.Config) any { return c.IntermediateSize }},
	{KindVocabulary, "vocab_size", func(c checkpoint.Config) any { return c.VocabSize }},
	{KindHead, "tie_word_embeddings", func(c checkpoint.Config) any { return c.TieWordEmbeddings }},
	{KindArchitecture, "hidden_act", func(c checkpoint.Config) any { return c.HiddenAct }},
	{KindArchitecture, "rope_theta", func(c checkpoint.Config) any { return c.RopeTheta }},
	{KindArchitecture, "rope_scaling", func(c checkpoint.Config) any { return ropeScaling(c) }},
	{KindArchitecture, "rope_local_base_freq", func(c checkpoint.Config) any { return c.RopeLocalTheta }},
	{KindArchitecture, "layer_types", func(c checkpoint.Config) any { return localLayers(c) }},
	{KindTensors, "attention_bias", func(c checkpoint.Config) any { return c.AttentionBias }},
	{KindTensors, "mlp_bias", func(c checkpoint.Config) any { return c.MLPBias }},
	{KindArchitecture, "query_pre_attn_scalar", func(c checkpoint.Config) any { return c.QueryPreAttnScalar }},
	{KindArchitecture, "attn_logit_softcapping", func(c checkpoint.Config) any { return c.AttnLogitSoftcapping }},
	{KindArchitecture, "final_logit_softcapping", func(c checkpoint.Config) any { return c.FinalLogitSoftcapping }},
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

// differences lists the traits that two models don't share, and what is behind
// them as far as it is known.
func (m *Misfit) differences(r Recipe, a string, da Described, b string, db Described) {
	for _, t := range traits {
		if stacked := r.blocks() != nil; stacked && (t.name == "num_hidden_layers" || t.name == "layer_types") {
			continue
		}
		if (t.kind == KindVocabulary || t.kind == KindHead) && !r.lendsEnds(b) {
			continue
		}
		va, vb := t.of(da.Config), t.of(db.Config)
		if va == vb || t.kind == KindVocabulary && r.Tokenizer != nil {
			continue
		}
		why := ""
		switch t.kind {
		case KindVocabulary:
			why = rows(db, b) + rows(da, a) + byTokenHint
		case KindHead:
			tied, own := a, b
			if db.Config.TieWordEmbeddings {
				tied, own = b, a
			}
			why = fmt.Sprintf(": the output head of %q is its embedding, and %q has one of its own", tied, own)
		}
		m.add(t.kind, b, t.name, "%s of %q is %v, of %q %v%s", t.name, b, vb, a, va, why)
	}
}

// byTokenHint is what to write to merge models of different vocabularies.
const byTokenHint = `; with "tokenizer": {"source": "union"} in the recipe, or "base" to leave out what the base has not (tokenizer_source in YAML), they are merged token by token`

// rows tells what the rows of an embedding are for, if that is known.
func rows(d Described, name string) string {
	switch spare := d.Config.VocabSize - d.Tokens; {
	case d.Tokens == 0:
		return ""
	case spare > 0:
		return fmt.Sprintf("; %q has %d tokens, and %d rows to spare", name, d.Tokens, spare)
	}
	return fmt.Sprintf("; %q has %d tokens", name, d.Tokens)
}
