package search

import (
	"context"

	"github.com/mergeway/mergeway/infer"
)

// Tokens counts what models read and write.
type Tokens struct {
	PromptTokens    int `json:"prompt_tokens,omitempty"`    // of the problems
	GeneratedTokens int `json:"generated_tokens,omitempty"` // of the replies
}

// all are those that a budget counts.
func (t Tokens) all() int { return t.PromptTokens + t.GeneratedTokens }

// plus is the sum of two counts.
func (t Tokens) plus(more Tokens) Tokens {
	return Tokens{t.PromptTokens + more.PromptTokens, t.GeneratedTokens + more.GeneratedTokens}
}

// countingEngine is an Engine that counts tokens. One goroutine uses it.
type countingEngine struct {
	Engine
	tokens Tokens
}

// Generate implements [Engine].
func (e *countingEngine) Generate(ctx context.Context, m *infer.Model, rs []infer.Request) ([]infer.Result, error) {
	results, err := e.Engine.Generate(ctx, m, rs)
	for _, r := range results {
		e.tokens = e.tokens.plus(Tokens{r.PromptTokens, r.CompletionTokens})
	}
	return results, err
}

// Beam implements [Engine]. The hypotheses share their prompt.
func (e *countingEngine) Beam(ctx context.Context, m *infer.Model, r infer.Request, o infer.BeamOptions) ([]infer.Result, error) {
	results, err := e.Engine.Beam(ctx, m, r, o)
	for i, r := range results {
		if i > 0 {
			r.PromptTokens = 0
		}
		e.tokens = e.tokens.plus(Tokens{r.PromptTokens, r.CompletionTokens})
	}
	return results, err
}
