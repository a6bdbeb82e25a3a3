package task

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// choice is multiple choice: the choice that the model finds the most likely one
// is the answer. It is lm-evaluation-harness's acc, and with norm its acc_norm,
// which divides the logarithm of a choice's likelihood by its number of
// characters, so that long choices are as welcome as short ones.
type choice struct{ norm bool }

func newChoice(d description, _ reading, _ Judge) (metric, error) {
	if d.Language != "" {
		return nil, fault.Bad("language", "the metric %s sees no reply that could have a language", d.Metric)
	}
	return choice{norm: d.Metric == metricChoiceNorm}, nil
}

// maxChoices bounds the choices of one problem: each is a prompt of its own.
const maxChoices = 64

func (choice) check(p Problem) error {
	if len(p.Choices) < 2 || len(p.Choices) > maxChoices {
		return fmt.Errorf("a problem has 2 to %d choices, not %d", maxChoices, len(p.Choices))
	}
	if slices.Contains(p.Choices, "") {
		return fmt.Errorf("a choice is empty")
	}
	for _, answer := range p.accepted() {
		if !slices.Contains(p.Choices, answer) {
			return fmt.Errorf("the answer %q is not one of the choices", clip(answer))
		}
	}
	return nil
}

func (m choice) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	if len(r.Choices) != len(p.Choices) {
		return verdict{}, fault.New(fault.Internal, "%d likelihoods of %d choices", len(r.Choices), len(p.Choices))
	}
	best, highest := 0, 0.0
	for i, c := range r.Choices {
		value := c.Logprob
		if m.norm {
			value /= float64(utf8.RuneCountInString(p.Choices[i]))
		}
		if i == 0 || value > highest {
			best, highest = i, value
		}
	}
	v := verdict{extracted: p.Choices[best]}
	if slices.Contains(p.accepted(), p.Choices[best]) {
		v.score = 1
	}
	return v, nil
}
