package search

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/search/task"
)

// answer lets a model answer problems, behind the users' requests, and judges its
// replies.
func (l *CatalogLab) answer(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Outcome, error) {
	if l.sightOf(m) == nil {
		for _, p := range problems {
			if p.Shows() {
				return nil, fault.Wrap(errBlind, fault.Unfit, "problem %s shows a picture", p.ID)
			}
		}
	}
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

// errBlind says that a model can't be asked about pictures.
var errBlind = errors.New("this model reads text only")

// answerBlind is answer for a model that may see nothing: then it is asked what it
// can read, and gets the rest wrong.
func (l *CatalogLab) answerBlind(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Outcome, error) {
	if l.sightOf(m) != nil {
		return l.answer(ctx, m, t, problems)
	}
	readable := slices.DeleteFunc(slices.Clone(problems), task.Problem.Shows)
	var answered []task.Outcome
	if len(readable) > 0 {
		var err error
		if answered, err = l.answer(ctx, m, t, readable); err != nil {
			return nil, err
		}
	}
	outcomes := make([]task.Outcome, len(problems))
	for i, p := range problems {
		if p.Shows() {
			outcomes[i].Failure = errBlind.Error()
			continue
		}
		outcomes[i], answered = answered[0], answered[1:]
	}
	return outcomes, nil
}

// picturedAtOnce is how many problems are asked together where there are pictures,
// whose tiles are all in memory until they have been seen.
const picturedAtOnce = 32

// batches are the problems that are asked together, the same ones whenever they are.
func batches(problems []task.Problem) iter.Seq[[]task.Problem] {
	if slices.ContainsFunc(problems, task.Problem.Shows) {
		return slices.Chunk(problems, picturedAtOnce)
	}
	return slices.Values([][]task.Problem{problems})
}

// generate has replies generated greedily, all in one batch, or few of them.
func (l *CatalogLab) generate(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	var replies []task.Reply
	for some := range batches(problems) {
		requests := make([]infer.Request, len(some))
		for i, p := range some {
			var err error
			if requests[i], err = l.request(m, t, p); err != nil {
				return nil, err
			}
		}
		results, err := l.engine.Generate(ctx, m, requests)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			replies = append(replies, task.Reply{Text: r.Text})
		}
	}
	return replies, nil
}

// beam has each reply found by a beam search, one after the other: the hypotheses
// of one are a batch already.
func (l *CatalogLab) beam(ctx context.Context, m *infer.Model, t *task.Task, problems []task.Problem) ([]task.Reply, error) {
	replies := make([]task.Reply, len(problems))
	for i, p := range problems {
		r, err := l.request(m, t, p)
		if err != nil {
			return nil, err
		}
		best, err := l.engine.Beam(ctx, m, r, infer.BeamOptions{Width: t.Beams, LengthPenalty: t.LengthPenalty})
		if err != nil {
			return nil, err
		}
		if len(best) == 0 {
			return nil, fault.New(fault.Internal, "a beam search without a reply, to problem %s", p.ID)
		}
		replies[i].Text = best[0].Text
	}
	return replies, nil
}

// request asks for one reply to a problem.
func (l *CatalogLab) request(m *infer.Model, t *task.Task, p task.Problem) (infer.Request, error) {
	r := infer.Request{Background: true, Continues: t.Format == task.Text, Sampling: infer.Sampling{MaxTokens: t.MaxTokens, Stop: t.Stop}}
	if t.RepetitionPenalty != 1 {
		r.Sampling.RepetitionPenalty = t.RepetitionPenalty
	}
	if t.Format == task.Text {
		r.Prompt = encodeText(m, t.Text(p))
		return r, nil
	}
	ids, err := m.Template.Encode(t.Messages(p))
	if err == nil {
		r.Prompt, r.Pictures, err = l.place(m, t, p, ids)
	}
	if err != nil {
		return r, fault.Wrap(err, fault.CodeOf(err), "problem %s", p.ID)
	}
	return r, nil
}

// place gives a problem's pictures, and its tokens with room for them.
func (l *CatalogLab) place(m *infer.Model, t *task.Task, p task.Problem, ids []int32) ([]int32, []*picture.Prepared, error) {
	if !p.Shows() {
		return ids, nil, nil
	}
	s := l.sightOf(m)
	pictures, err := l.album.prepare(s, t, p)
	if err != nil {
		return nil, nil, err
	}
	ids, err = infer.PlacePictures(ids, s.Config(), pictures)
	return ids, pictures, err
}

// encodeText is a text after the token that begins texts, as the API encodes it.
func encodeText(m *infer.Model, text string) []int32 {
	ids := m.Tokenizer.Encode(text, false)
	if bos, ok := m.Tokenizer.BOS(); ok {
		return append([]int32{bos}, ids...)
	}
	return ids
}
