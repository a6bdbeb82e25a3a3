package gateway

import (
	"context"
	"fmt"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// beams checks the fields of a beam search: width hypotheses, of which n are
// shown. nil if none is asked for.
func (f SamplingFields) beams(width, n int, constrained bool) (*infer.BeamOptions, error) {
	if !f.UseBeamSearch {
		return nil, nil
	}
	switch {
	case constrained:
		return nil, fault.Bad("use_beam_search", "a beam search can't keep replies to a format")
	case f.Stream:
		return nil, fault.Bad("stream", "a beam search can't be streamed: nothing is known before its end")
	case f.Temperature != nil && *f.Temperature != 0:
		return nil, fault.Bad("temperature", "temperature is %v: a beam search draws nothing, so it must be 0 or absent", *f.Temperature)
	case width > infer.MaxBeams:
		return nil, fault.Bad("n", "a beam search of width %d: at most %d", width, infer.MaxBeams)
	}
	o := &infer.BeamOptions{Width: width, Keep: n, LengthPenalty: 1, EarlyStopping: f.EarlyStopping}
	if f.LengthPenalty != nil {
		o.LengthPenalty = *f.LengthPenalty
	}
	return o, nil
}

// collectBeams is collect for a beam search: one for each prompt.
func (g *Gateway) collectBeams(ctx context.Context, j job) (outcome, error) {
	if g.draining() {
		return outcome{}, errDraining()
	}
	progress := g.newProgress(ctx, j.model)
	lease, err := g.catalog.Acquire(ctx, j.model)
	if err != nil {
		progress.fail()
		return outcome{}, asModelFault(err, j.model)
	}
	defer lease.Release()
	progress.begin(fingerprint(lease), 0)
	out, err := g.beamsWith(ctx, lease, j)
	for _, r := range out.results {
		progress.reasons = append(progress.reasons, r.FinishReason)
	}
	progress.end(out.usage, err != nil)
	return out, err
}

func (g *Gateway) beamsWith(ctx context.Context, lease *catalog.Lease, j job) (outcome, error) {
	read, err := j.encode(ctx, lease.Model, g.eyes(lease.Model))
	if err != nil {
		return outcome{}, asPromptFault(err, j.param)
	}
	g.logPrompts(ctx, lease.Model, read)
	out := outcome{prompts: read.ids, tokenizer: lease.Model.Tokenizer, fingerprint: fingerprint(lease)}
	for _, prompt := range read.ids {
		r := j.request
		r.Prompt, r.Pictures = prompt, read.pictures
		results, err := g.engine.Beam(ctx, lease.Model, r, *j.beams)
		if err != nil {
			return outcome{}, asPromptFault(err, j.param)
		}
		if len(results) != j.keep {
			return outcome{}, fmt.Errorf("a beam search for %d replies gave %d", j.keep, len(results))
		}
		out.results = append(out.results, results...)
		out.usage.PromptTokens += len(prompt)
		out.usage.PromptTokensDetails.CachedTokens += results[0].CachedTokens
		for _, r := range results {
			out.usage.CompletionTokens += r.CompletionTokens
		}
	}
	out.usage.TotalTokens = out.usage.PromptTokens + out.usage.CompletionTokens
	return out, nil
}
