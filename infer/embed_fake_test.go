package infer

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// embedding is the request that Embed makes of a prompt.
func embedding(prompt []int32, pooling Pooling) Request {
	return Request{Prompt: prompt, NoReply: true, pooling: pooling}
}

// expectedVector is what the fake model's hidden states come to.
func expectedVector(w *Weights, r Request) []float32 {
	var p pooled
	p.sum = make([]float32, 2)
	for i := range r.Prompt {
		p.add(true, fakeState(follows(w, r.Prompt[:i+1])))
	}
	if r.pooling == PoolLast {
		return p.last
	}
	return []float32{1, p.sum[1] / float32(len(r.Prompt))}
}

// embedded is a call of Embed that goes on beside the test.
type embedded struct {
	vectors [][]float32
	err     error
	done    chan struct{}
}

func (b *bench) embed(ctx context.Context, m *Model, prompts [][]int32, pooling Pooling) *embedded {
	e := &embedded{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.vectors, e.err = b.Embed(ctx, m, prompts, pooling)
	}()
	return e
}

// turns gives turns until the call has ended; each tells how many run and wait.
func (b *bench) turns(e *embedded, each func(Stats)) *embedded {
	b.t.Helper()
	for {
		select {
		case <-e.done:
			return e
		default:
			b.turn()
			each(b.Stats())
		}
	}
}

func TestEmbedGivesTheVectorsInTheOrderOfThePrompts(t *testing.T) {
	for _, pooling := range []Pooling{PoolMean, PoolLast} {
		t.Run(string(pooling), func(t *testing.T) {
			b := newBench(t, 1<<40, Options{Slots: 8, ChunkTokens: 32})
			m := b.model("m", fakeWeights(1, 2048))
			var prompts [][]int32
			for i := range 50 {
				prompts = append(prompts, tokensFrom(i, 1+(i*37)%300))
			}
			got := b.turns(b.embed(t.Context(), m, prompts, pooling), func(s Stats) {
				require.LessOrEqual(t, s.Running+s.Waiting, 4, "half the slots are left to others")
			})
			require.NoError(t, got.err)
			require.Len(t, got.vectors, len(prompts))
			for i, prompt := range prompts {
				require.Equal(t, expectedVector(m.Weights, embedding(prompt, pooling)), got.vectors[i], "prompt %d", i)
			}
			require.Zero(t, b.Stats().PrefixBytes, "nothing is kept of a text that nobody goes on with")
		})
	}
}

func TestAnEmbeddingMayFillTheContext(t *testing.T) {
	b := newBench(t, 1<<40, Options{MaxContext: 100})
	m := b.model("m", fakeWeights(1, 2048))
	got := b.turns(b.embed(t.Context(), m, [][]int32{tokensFrom(1, 100)}, PoolMean), func(Stats) {})
	require.NoError(t, got.err)
	_, err := b.Embed(t.Context(), m, [][]int32{{1}, tokensFrom(1, 101)}, PoolMean)
	require.ErrorIs(t, err, ErrContextLength)
	require.Zero(t, b.Waiting(), "nobody waits when one of them is refused")
}

func TestAnEmbeddingThatNobodyWaitsForEnds(t *testing.T) {
	b := newBench(t, 1<<40, Options{Slots: 4, ChunkTokens: 8})
	m := b.model("m", fakeWeights(1, 2048))
	ctx, cancel := context.WithCancel(t.Context())
	var prompts [][]int32
	for i := range 40 {
		prompts = append(prompts, tokensFrom(i, 200))
	}
	turns := 0
	got := b.turns(b.embed(ctx, m, prompts, PoolMean), func(s Stats) {
		if turns += s.Running; turns >= 10 {
			cancel()
		}
	})
	require.Equal(t, fault.Cancelled, fault.CodeOf(got.err))
	require.ErrorIs(t, got.err, context.Canceled)
	b.turn()
	require.Zero(t, b.Stats().Running+b.Stats().Waiting)
}

func TestAnEmbeddingIsRefused(t *testing.T) {
	b := newBench(t, 1000, Options{QueueLimit: 1, Slots: 2})
	m := b.model("m", fakeWeights(1, 100_000))
	_, err := b.Embed(t.Context(), m, [][]int32{{1}}, "cls")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "pooling", f.Param)

	_, err = b.Embed(t.Context(), m, [][]int32{{1}, {}}, PoolMean)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = b.Embed(t.Context(), m, [][]int32{{fakeVocab}}, PoolMean)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = b.Embed(t.Context(), m, [][]int32{tokensFrom(1, 2000)}, PoolMean)
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "no cache is so long")

	waiting := b.ask(m, plain(tokensFrom(1, 10), 5))
	_, err = b.Embed(t.Context(), m, [][]int32{{1}}, PoolMean)
	require.Equal(t, fault.Busy, fault.CodeOf(err))
	b.run(waiting)

	b.device.broken[m.Weights] = true
	got := b.turns(b.embed(t.Context(), m, [][]int32{{1}, {2}, {3}}, PoolLast), func(Stats) {})
	require.Equal(t, fault.Internal, fault.CodeOf(got.err), fmt.Sprint(got.err))
	b.shut(errors.New("closed"))
}

func TestTheContextIsTheModelsOrTheEngines(t *testing.T) {
	for _, c := range []struct{ model, engine, want int }{{100, 0, 100}, {100, 50, 50}, {50, 100, 50}} {
		b := newBench(t, 1<<40, Options{MaxContext: c.engine})
		require.Equal(t, c.want, b.Context(fakeWeights(1, c.model).config))
	}
}
