package task

import (
	"context"
	"fmt"
)

// characters is the F1 of the characters that reply and answer have in common,
// however they are ordered: JSQuAD's score, best of all answers.
type characters struct{ reading }

func newCharacters(_ description, read reading, _ Judge) (metric, error) {
	return characters{read}, nil
}

func (m characters) check(p Problem) error {
	for _, answer := range p.accepted() {
		if m.apply(answer) == "" {
			return fmt.Errorf("the answer %q is empty once it is normalised", clip(answer))
		}
	}
	return nil
}

func (m characters) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	read := m.read(r.Text)
	v := verdict{extracted: m.shown(read, r.Text)}
	for _, answer := range p.accepted() {
		v.score = max(v.score, bagF1([]rune(m.apply(answer)), []rune(read)))
	}
	return v, nil
}

// bagF1 is the harmonic mean of precision and recall, each entry counted as often
// as both have it.
func bagF1[T comparable](want, got []T) float64 {
	left := make(map[T]int, len(want))
	for _, x := range want {
		left[x]++
	}
	common := 0
	for _, x := range got {
		if left[x] > 0 {
			left[x]--
			common++
		}
	}
	return f1(common, len(want), len(got))
}

// f1 is the harmonic mean of precision, common of got, and recall, common of want.
func f1(common, want, got int) float64 {
	if common == 0 {
		return 0
	}
	precision, recall := float64(common)/float64(got), float64(common)/float64(want)
	return 2 * precision * recall / (precision + recall)
}
