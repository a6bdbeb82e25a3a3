package task

import (
	"context"
	"fmt"
	"regexp"
)

// maxPatternBytes is the longest regular expression of a task.
const maxPatternBytes = 4096

// matches is the metric of answers that are regular expressions, in RE2's syntax:
// one of them has to match somewhere in the reply.
type matches struct {
	reading
	patterns map[string]*regexp.Regexp // by the answer's text
}

func newRegex(_ description, read reading, _ Judge) (metric, error) {
	return matches{reading: read, patterns: map[string]*regexp.Regexp{}}, nil
}

func (m matches) check(p Problem) error {
	for _, answer := range p.accepted() {
		if len(answer) > maxPatternBytes {
			return fmt.Errorf("the answer has %d bytes: a regular expression has at most %d", len(answer), maxPatternBytes)
		}
		pattern, err := regexp.Compile(answer)
		if err != nil {
			return fmt.Errorf("the answer is not a regular expression: %w", err)
		}
		if pattern.MatchString("") {
			return fmt.Errorf("the answer %q matches an empty reply", clip(answer))
		}
		m.patterns[answer] = pattern
	}
	return nil
}

func (m matches) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	read := m.read(r.Text)
	for _, answer := range p.accepted() {
		if pattern := m.patterns[answer]; pattern != nil {
			if at := pattern.FindStringIndex(read); at != nil {
				return verdict{score: 1, extracted: clip(read[at[0]:at[1]])}, nil
			}
		}
	}
	return verdict{}, nil
}
