package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/search/task"
)

// trialTokens is what a trial of the fake lab costs.
const trialTokens = 15 * searchProblems

func TestASearchEndsWhenItsTokensAreSpent(t *testing.T) {
	for name, c := range map[string]struct{ budget, trials int }{
		"in a generation":        {6*trialTokens - 1, 6},
		"to the token":           {6 * trialTokens, 6},
		"with a generation":      {8 * trialTokens, 8},
		"one is always too much": {1, 1},
	} {
		w := newWorld(t)
		s := w.done(t, w.launch(t, small(func(s *Spec) { s.Tokens = c.budget })))
		assert.Equal(t, "tokens", s.Progress.Stopped, name)
		assert.Equal(t, c.trials, s.Progress.Trials, name)
		assert.Equal(t, Tokens{10 * searchProblems * c.trials, 5 * searchProblems * c.trials}, s.Progress.Tokens, name)
		assert.Equal(t, trialTokens, w.tried(t, s.ID)[0].Tokens.all(), name)
	}
	w := newWorld(t)
	s := w.done(t, w.launch(t, small()))
	assert.Equal(t, "trials", s.Progress.Stopped, "no budget, no end")
}

func TestDuplicatesCostNoTokens(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(func(s *Spec) { s.WeightRange, s.Tokens = Range{0.5, 0.5003}, 20*trialTokens })))
	require.Positive(t, s.Progress.Duplicates)
	assert.Equal(t, trialTokens*(s.Progress.Trials-s.Progress.Duplicates), s.Progress.Tokens.all())
}

func TestATokenBudgetOutlastsARestart(t *testing.T) {
	spec := small(func(s *Spec) { s.Tokens = 6 * trialTokens })
	want := reference(t, spec)
	w := newWorld(t)
	id := w.launchUntil(t, spec, task.Search, 4)
	w = w.reopen(t)
	w.done(t, id)
	sameJSON(t, want, w.found(t, id))
}

func TestWrongTokenBudgetsAreNamed(t *testing.T) {
	for _, n := range []int{-1, MaxTokens + 1} {
		assert.ErrorContains(t, small(func(s *Spec) { s.Tokens = n }).Validate(), "tokens")
	}
}

// answeringEngine gives the same results to whatever it is asked.
type answeringEngine []infer.Result

func (e answeringEngine) Generate(context.Context, *infer.Model, []infer.Request) ([]infer.Result, error) {
	return e, nil
}

func (e answeringEngine) Beam(context.Context, *infer.Model, infer.Request, infer.BeamOptions) ([]infer.Result, error) {
	return e, nil
}

func TestTokensAreCounted(t *testing.T) {
	c := &countingEngine{Engine: answeringEngine{{PromptTokens: 3, CompletionTokens: 4}, {PromptTokens: 3, CompletionTokens: 5}}}
	_, err := c.Generate(t.Context(), nil, nil)
	require.NoError(t, err)
	assert.Equal(t, Tokens{6, 9}, c.tokens)
	_, err = c.Beam(t.Context(), nil, infer.Request{}, infer.BeamOptions{})
	require.NoError(t, err)
	assert.Equal(t, Tokens{9, 18}, c.tokens, "hypotheses share their prompt")
}
