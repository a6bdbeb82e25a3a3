package search

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/search/task"
)

// answer lets a model answer problems, behind the users' requests, and judges its
// replies.
func (l *CatalogLab) answer(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Outcome, error) {
	ask := l.generate
	switch {
	case t.Chooses():
		ask = l.weigh
	case t.Beams > 1:
		ask = l.beam
	}
	replies, err := ask(ctx, m, t, problems)
	if err != nil {
		return nil, err
	}
	return t.ScoreAll(ctx, problems, replies)
}

// generate has replies generated greedily, all in one batch.
func (l *CatalogLab) generate(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	requests, err := requests(m, t, problems)
	if err != nil {
		return nil, err
	}
	results, err := l.engine.Generate(ctx, m, requests)
	if err != nil {
		return nil, err
	}
	replies := make([]task.Reply, len(results))
	for i, r := range results {
		replies[i].Text = r.Text
	}
	return replies, nil
}

// beam has each reply found by a beam search, one after the other: the hypotheses
// of one are a batch already.
func (l *CatalogLab) beam(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	requests, err := requests(m, t, problems)
	if err != nil {
		return nil, err
	}
	replies := make([]task.Reply, len(requests))
	for i, r := range requests {
		best, err := l.engine.Beam(ctx, m, r, infer.BeamOptions{Width: t.Beams, LengthPenalty: t.LengthPenalty})
		if err != nil {
			return nil, err
		}
		if len(best) == 0 {
			return nil, fault.New(fault.Internal, "a beam search without a reply, to problem %s", problems[i].ID)
		}
		replies[i].Text = best[0].Text
	}
	return replies, nil
}

// requests ask for one reply to each problem.
func requests(m *infer.Model, t *task.Task, problems []task.Problem) ([]infer.Request, error) {
	all := make([]infer.Request, len(problems))
	for i, p := range problems {
		ids, err := prompt(m, t, p)
		if err != nil {
			return nil, fault.Wrap(err, fault.CodeOf(err), "problem %s", p.ID)
		}
		s := infer.Sampling{MaxTokens: t.MaxTokens, Stop: t.Stop}
		if t.RepetitionPenalty != 1 {
			s.RepetitionPenalty = t.RepetitionPenalty
		}
		all[i] = infer.Request{Prompt: ids, Sampling: s, Background: true, Continues: t.Format == task.Text}
	}
	return all, nil
}

// prompt is a problem in the model's tokens.
func prompt(m *infer.Model, t *task.Task, p task.Problem) ([]int32, error) {
	if t.Format == task.Text {
		return encodeText(m, t.Text(p)), nil
	}
	return m.Template.Encode(t.Messages(p))
}

// encodeText is a text after the token that begins texts, as the API encodes it.
func encodeText(m *infer.Model, text string) []int32 {
	ids := m.Tokenizer.Encode(text, false)
	if bos, ok := m.Tokenizer.BOS(); ok {
		return append([]int32{bos}, ids...)
	}
	return ids
}
