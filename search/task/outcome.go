package task

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mergeway/mergeway/fault"
)

// Reply is what a model answered to a problem.
type Reply struct {
	// Text is the reply.
	Text string
	// Choices has the likelihood of each choice, where the task asks for that
	// instead.
	Choices []Likelihood
}

// Likelihood is how likely a model finds a text.
type Likelihood struct {
	Logprob float64 // the natural logarithm of its probability, over all its tokens
}

// Outcome is the verdict on one reply.
type Outcome struct {
	// Score is between 0, nothing right, and 1.
	Score float64 `json:"score"`
	// Correct means that the score is 1.
	Correct bool `json:"correct"`
	// NumberRight means that the answer is wholly right, in whatever language.
	NumberRight bool `json:"number_right"`
	// LanguageRight means that the reply is in the task's language, or that the
	// task doesn't care.
	LanguageRight bool `json:"language_right"`
	// Extracted is what was read from the reply and compared with the answer;
	// empty if it is the reply itself, or nothing could be read.
	Extracted string `json:"extracted,omitempty"`
	// Reply is the text that was judged.
	Reply string `json:"reply,omitempty"`
	// Failure says why the reply could not be judged; then it counts as wrong.
	Failure string `json:"failure,omitempty"`
}

// Score judges a reply to a problem. A reply in another language than the task's
// counts as an empty one. An error means that nothing could be found out at all.
func (t *Task) Score(ctx context.Context, p Problem, r Reply) (Outcome, error) {
	o := Outcome{Reply: r.Text, LanguageRight: t.speaks(p, r)}
	if _, judged := t.metric.(judged); judged && !o.LanguageRight {
		return o, nil // a judge costs something, and whatever it said would not count
	}
	v, err := t.metric.score(ctx, p, r)
	if err != nil {
		return o, fault.Wrap(err, fault.CodeOf(err), "problem %s", p.ID)
	}
	o.Extracted, o.Failure, o.NumberRight = v.extracted, v.failure, v.score == 1
	if !o.LanguageRight {
		if v, err = t.metric.score(ctx, p, Reply{}); err != nil {
			return o, fault.Wrap(err, fault.CodeOf(err), "problem %s", p.ID)
		}
	}
	o.Score, o.Correct = v.score, v.score == 1
	return o, nil
}

// speaks tells whether a reply is in the language that it has to be in, if any.
func (t *Task) speaks(p Problem, r Reply) bool {
	if t.gate == nil || t.gate.passes(r.Text) {
		return true
	}
	return t.Gate == GateAnswers && !t.gate.passes(p.Answer)
}

// judgesAtOnce is how many replies of one evaluation are with a judge together.
const judgesAtOnce = 8

// ScoreAll judges the replies to problems, in their order.
func (t *Task) ScoreAll(ctx context.Context, problems []Problem, replies []Reply) ([]Outcome, error) {
	if len(problems) != len(replies) {
		return nil, fault.New(fault.Internal, "%d replies to %d problems", len(replies), len(problems))
	}
	outcomes := make([]Outcome, len(problems))
	workers := 1
	if _, waits := t.metric.(judged); waits {
		workers = judgesAtOnce
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(problems) {
					return
				}
				var err error
				if outcomes[i], err = t.Score(ctx, problems[i], replies[i]); err != nil {
					cancel(err) // only the first counts
				}
			}
		})
	}
	all.Wait()
	return outcomes, context.Cause(ctx)
}
