package infer

import (
	"context"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// Pooling says how the hidden states of a prompt's tokens become one vector.
type Pooling string

// The poolings.
const (
	PoolMean Pooling = "mean" // their average
	PoolLast Pooling = "last" // that of the last token, the only one that has seen all others
)

// Embed gives for each prompt one vector [D] of the model's hidden states after
// the final norm, in float32 and not normalised. Prompts wait and are computed
// like those of any user, some at a time, so that a request of very many does not
// keep others from a slot until it ends. The first failure ends it.
func (e *Engine) Embed(ctx context.Context, m *Model, prompts [][]int32, pooling Pooling) ([][]float32, error) {
	if pooling != PoolMean && pooling != PoolLast {
		return nil, fault.Bad("pooling", "pooling is %q: it can be %s or %s", pooling, PoolMean, PoolLast)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sequences := make([]*sequence, len(prompts))
	for i, prompt := range prompts {
		s, err := e.prepare(ctx, m, Request{Prompt: prompt, NoReply: true, pooling: pooling})
		if err != nil {
			discard(sequences[:i]...)
			return nil, err
		}
		sequences[i] = s
	}
	// Those of a length are computed together.
	order := slices.Clone(sequences)
	slices.SortStableFunc(order, func(a, b *sequence) int { return len(a.tokens) - len(b.tokens) })
	found := make(map[*sequence][]float32, len(order))
	atOnce := max(1, min(e.options.Slots/2, e.options.QueueLimit))
	for from := 0; from < len(order); from += atOnce {
		some := order[from:min(from+atOnce, len(order))]
		if err := e.enqueue(some...); err != nil {
			discard(order[from:]...)
			return nil, err
		}
		var failed error
		for _, s := range some {
			last := Chunk{}
			for last = range s.out {
			}
			if last.Err != nil && failed == nil {
				failed = last.Err
				cancel() // and wait for the others: their weights are in use until they end
			}
			found[s] = last.embedding
		}
		if failed != nil {
			discard(order[from+len(some):]...)
			return nil, failed
		}
	}
	vectors := make([][]float32, len(sequences))
	for i, s := range sequences {
		vectors[i] = found[s]
	}
	return vectors, nil
}

// poolChunk adds what a pass tells of the prompts' hidden states.
func (p *prefill) poolChunk(chunk []pooled) {
	if p.pooled == nil {
		p.pooled = chunk
		return
	}
	for b := range p.pooled {
		for i, x := range chunk[b].sum {
			p.pooled[b].sum[i] += x
		}
		p.pooled[b].last = chunk[b].last
	}
}

// embed ends the sequence with its prompt's vector.
func (s *sequence) embed(p pooled) {
	vector := p.last
	if s.request.pooling == PoolMean {
		vector = make([]float32, len(p.sum))
		for i, x := range p.sum {
			vector[i] = x / float32(len(s.request.Prompt))
		}
	}
	s.end(Chunk{FinishReason: FinishLength, embedding: slices.Clone(vector)})
}
