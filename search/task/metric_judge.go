package task

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Judge is a model that grades replies. Which one, whoever runs the server says; a
// task, which may come from a stranger, only says what it is asked.
type Judge interface {
	// Ask gives the judge's reply to one message.
	Ask(ctx context.Context, message string) (string, error)
}

// judgeDescription is the judge of a task.yaml.
type judgeDescription struct {
	Prompt string   `yaml:"prompt"`
	Low    *float64 `yaml:"low"`
	High   *float64 `yaml:"high"`
}

// ReplyPlaceholder stands for the reply in a judge's prompt, and AnswerPlaceholder
// for the problem's answer.
const (
	ReplyPlaceholder  = "{reply}"
	AnswerPlaceholder = "{answer}"
)

// The grades that a judge gives if task.yaml doesn't say, and their bound.
const (
	defaultLow, defaultHigh = 1, 10
	maxGrade                = 1000
)

// judged is the metric of replies that a judge grades: the last number of what it
// says, or of what the task's pattern takes of that, on a scale from low to high.
type judged struct {
	reading         // takes the grade from what the judge says
	judge     Judge // nil: there is none here
	prompt    string
	low, high float64
}

func newJudged(d description, read reading, j Judge) (metric, error) {
	if d.Judge == nil {
		return nil, fault.Bad("judge", "the metric %s needs judge.prompt", metricJudge)
	}
	m := judged{reading: read, judge: j, prompt: d.Judge.Prompt, low: defaultLow, high: defaultHigh}
	if d.Judge.Low != nil {
		m.low = *d.Judge.Low
	}
	if d.Judge.High != nil {
		m.high = *d.Judge.High
	}
	if !strings.Contains(m.prompt, ReplyPlaceholder) {
		return nil, fault.Bad("judge", "prompt has no %s", ReplyPlaceholder)
	}
	if !(m.low < m.high && math.Abs(m.low) <= maxGrade && math.Abs(m.high) <= maxGrade) {
		return nil, fault.Bad("judge", "grades from %v to %v: low is less than high, and both are at most %d", m.low, m.high, maxGrade)
	}
	return m, nil
}

func (judged) check(Problem) error { return nil }

func (m judged) score(ctx context.Context, p Problem, r Reply) (verdict, error) {
	if m.judge == nil {
		return verdict{}, fault.New(fault.Unavailable, "the task's replies are graded by a judge, and none is configured (--judge-url)")
	}
	text, err := m.judge.Ask(ctx, strings.NewReplacer(
		Placeholder, p.Question, ContextPlaceholder, p.Context, AnswerPlaceholder, p.Answer, ReplyPlaceholder, r.Text,
	).Replace(m.prompt))
	if err != nil {
		return verdict{}, err
	}
	n, grade, found := LastNumber.extract(m.read(text))
	if !found {
		return verdict{failure: "the judge gave no grade"}, nil
	}
	value, _ := n.rat.Float64()
	if value < m.low || value > m.high {
		return verdict{extracted: grade, failure: fmt.Sprintf("the judge's grade is not between %v and %v", m.low, m.high)}, nil
	}
	return verdict{score: (value - m.low) / (m.high - m.low), extracted: grade}, nil
}
