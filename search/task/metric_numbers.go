package task

import (
	"context"
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// numbers is the metric of maths: the number of the reply equals the answer.
type numbers struct {
	extractor Extractor
	answers   map[string]number // by the problem's answer text
}

func newNumbers(d description, _ reading, _ Judge) (metric, error) {
	m := numbers{extractor: d.Extractor, answers: map[string]number{}}
	if m.extractor == "" {
		m.extractor = LastNumber
	}
	if !slices.Contains(Extractors(), m.extractor) {
		return nil, fault.Bad("extractor", "%q is not one of %v", d.Extractor, Extractors())
	}
	return m, nil
}

func (m numbers) check(p Problem) error {
	for _, text := range p.accepted() {
		n, ok := parseAnswer(text)
		if !ok {
			return fmt.Errorf("the answer %q is not a number", clip(text))
		}
		m.answers[text] = n
	}
	return nil
}

func (m numbers) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	got, text, found := m.extractor.extract(r.Text)
	v := verdict{extracted: text}
	for _, answer := range p.accepted() {
		want, ok := m.answers[answer]
		if !ok {
			want, ok = parseAnswer(answer)
		}
		if ok && found && got.equals(want) {
			v.score = 1
		}
	}
	return v, nil
}
