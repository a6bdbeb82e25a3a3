package task

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSummarize(t *testing.T) {
	outcomes := make([]Outcome, 300)
	for i := range outcomes {
		outcomes[i] = Outcome{Correct: i < 129, NumberRight: i < 150, LanguageRight: i < 240}
	}
	s := Summarize(outcomes)
	assert.Equal(t, 300, s.Problems)
	assert.Equal(t, 129, s.Correct)
	assert.InDelta(t, 0.43, s.Accuracy, 1e-12)
	assert.InDelta(t, 0.028583212, s.StdErr, 1e-9)
	assert.InDelta(t, 0.5, s.NumberRight, 1e-12)
	assert.InDelta(t, 0.8, s.LanguageRight, 1e-12)
	// statsmodels: proportion_confint(129, 300, method="wilson")
	assert.InDelta(t, 0.37516, s.Low, 1e-4)
	assert.InDelta(t, 0.48655, s.High, 1e-4)

	none := Summarize(make([]Outcome, 100))
	assert.Zero(t, none.Accuracy)
	assert.Zero(t, none.StdErr)
	assert.Zero(t, none.Low)
	assert.InDelta(t, 0.0370, none.High, 1e-4, "nothing right of 100 doesn't mean never right")
	assert.Equal(t, Score{}, Summarize(nil))
}
