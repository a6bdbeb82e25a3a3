package task

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSummarize(t *testing.T) {
	outcomes := make([]Outcome, 300)
	for i := range outcomes {
		outcomes[i] = Outcome{Correct: i < 129, Score: float64(one(i < 129)), NumberRight: i < 150, LanguageRight: i < 240}
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

	assert.Equal(t, Wilson, s.Interval)

	none := Summarize(make([]Outcome, 100))
	assert.Zero(t, none.Accuracy)
	assert.Zero(t, none.StdErr)
	assert.Zero(t, none.Low)
	assert.InDelta(t, 0.0370, none.High, 1e-4, "nothing right of 100 doesn't mean never right")
	assert.Equal(t, Score{}, Summarize(nil))
}

func TestGradedScoresHaveANormalInterval(t *testing.T) {
	var outcomes []Outcome
	for _, s := range []float64{0, 0.25, 0.5, 1} {
		outcomes = append(outcomes, Outcome{Score: s, Correct: s == 1, Failure: map[float64]string{0: "no grade"}[s]})
	}
	s := Summarize(outcomes)
	assert.Equal(t, Normal, s.Interval)
	assert.Equal(t, 1, s.Correct)
	assert.Equal(t, 1, s.Failures)
	assert.InDelta(t, 0.4375, s.Accuracy, 1e-12)
	assert.InDelta(t, 0.213478, s.StdErr, 1e-6, "statistics.stdev of the four by the root of four")
	assert.InDelta(t, 0.4375-1.959964*0.213478, s.Low, 1e-6)
	assert.InDelta(t, 0.4375+1.959964*0.213478, s.High, 1e-6)

	one := Summarize(outcomes[1:2])
	assert.Equal(t, []float64{0, 1}, []float64{one.Low, one.High}, "one score says nothing about the next")
}
