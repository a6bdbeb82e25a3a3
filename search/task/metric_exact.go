package task

import (
	"context"
	"fmt"
)

// exact is the metric of replies that are the answer, letter by letter, once both
// are normalised.
type exact struct{ reading }

func newExact(_ description, read reading, _ Judge) (metric, error) { return exact{read}, nil }

func (m exact) check(p Problem) error {
	for _, answer := range p.accepted() {
		if m.apply(answer) == "" {
			return fmt.Errorf("the answer %q is empty once it is normalised", clip(answer))
		}
	}
	return nil
}

func (m exact) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	read := m.read(r.Text)
	v := verdict{extracted: m.shown(read, r.Text)}
	for _, answer := range p.accepted() {
		if read != "" && read == m.apply(answer) {
			v.score = 1
		}
	}
	return v, nil
}
