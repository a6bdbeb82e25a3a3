package search

import (
	"context"
	"strings"
	"unicode"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/search/task"
)

// weigh finds out how likely a model finds each choice of each problem.
func (l *CatalogLab) weigh(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	var replies []task.Reply
	for some := range batches(problems) {
		weighed, err := l.weighSome(ctx, m, t, some)
		if err != nil {
			return nil, err
		}
		replies = append(replies, weighed...)
	}
	return replies, nil
}

// weighSome weighs the choices of problems that are asked together.
func (l *CatalogLab) weighSome(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	var requests []infer.Request
	var begins []int // by request: where the choice begins among its tokens
	for _, p := range problems {
		for _, c := range p.Choices {
			r, begin, err := l.withChoice(m, t, p, c)
			if err != nil {
				return nil, fault.Wrap(err, fault.CodeOf(err), "problem %s", p.ID)
			}
			requests = append(requests, r)
			begins = append(begins, begin)
		}
	}
	results, err := l.engine.Generate(ctx, m, requests)
	if err != nil {
		return nil, err
	}
	replies := make([]task.Reply, len(problems))
	next := 0
	for i, p := range problems {
		for range p.Choices {
			known := results[next].PromptLogprobs
			if len(known) != len(requests[next].Prompt) {
				return nil, fault.New(fault.Internal, "%d log probabilities of %d tokens", len(known), len(requests[next].Prompt))
			}
			var likelihood task.Likelihood
			for _, token := range known[begins[next]:] {
				likelihood.Logprob += float64(token.Logprob)
			}
			replies[i].Choices = append(replies[i].Choices, likelihood)
			next++
		}
	}
	return replies, nil
}

// withChoice gives a problem with one of its choices as the reply, and where that
// begins. Texts are cut as lm-evaluation-harness cuts them: both parts are encoded
// together, and the choice begins after as many tokens as the prompt alone has,
// without the spaces at its end.
func (l *CatalogLab) withChoice(m *infer.Model, t *task.Task, p task.Problem, choice string) (r infer.Request, begin int, err error) {
	r = infer.Request{Background: true, PromptLogprobs: true, NoReply: true}
	if t.Format == task.Text {
		text := t.Text(p)
		r.Prompt = encodeText(m, text+choice)
		begin = len(encodeText(m, strings.TrimRightFunc(text, unicode.IsSpace)))
	} else {
		messages := t.Messages(p)
		asked, err := m.Template.Encode(messages)
		if err != nil {
			return r, 0, err
		}
		ids, err := m.Template.Continue(append(messages, chat.Message{Role: "assistant", Content: choice}))
		if err != nil {
			return r, 0, err
		}
		before := len(ids)
		if r.Prompt, r.Pictures, err = l.place(m, t, p, ids); err != nil {
			return r, 0, err
		}
		begin = commonPrefix(asked, ids) + len(r.Prompt) - before // the pictures stand in the question
	}
	begin = max(begin, 1) // nothing tells how likely the first token of all is
	if begin >= len(r.Prompt) {
		return r, 0, fault.New(fault.Invalid, "the choice %q adds no token to the prompt", choice)
	}
	return r, begin, nil
}

// commonPrefix is how many entries two lists begin with in common.
func commonPrefix(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
