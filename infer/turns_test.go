package infer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// still gives an engine whose turns the test gives, one by one.
func still(t *testing.T, o infer.Options) *infer.Engine {
	t.Helper()
	e := infer.NewStill(devicetest.Open(t), o)
	t.Cleanup(func() { e.Stop(errors.New("the test is over")) })
	return e
}

// reply is what a test has read of a stream.
type reply struct {
	chunks <-chan infer.Chunk
	text   strings.Builder
	last   infer.Chunk
	ended  bool
}

func start(t *testing.T, e *infer.Engine, m *infer.Model, r infer.Request) (*reply, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	chunks, err := e.Stream(ctx, m, r)
	require.NoError(t, err)
	return &reply{chunks: chunks}, cancel
}

// read takes what is there, and waits for nothing.
func (r *reply) read() *reply {
	for !r.ended {
		select {
		case c, open := <-r.chunks:
			if r.ended = !open; open {
				r.last = c
				r.text.WriteString(c.Text)
			}
		default:
			return r
		}
	}
	return r
}

func inBackground(r infer.Request) infer.Request {
	r.Background = true
	return r
}

func TestACancelledReplyEndsInTheNextTurnAndFreesItsSlot(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := still(t, infer.Options{Slots: 1, BackgroundRows: 1, ChunkTokens: 8})
	for _, c := range []struct {
		name  string
		turns int // before the cancel; the prompt takes two
	}{{"waiting", 0}, {"in the prompt", 1}, {"at the first token", 2}, {"between tokens", 6}} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " background=", background), func(t *testing.T) {
				long, short := greedy(prompt, 100), greedy(prompt, 12)
				long.Background, short.Background = background, background
				first, cancel := start(t, e, m, long)
				next, _ := start(t, e, m, short)
				for range c.turns {
					e.Turn()
				}
				require.Zero(t, next.read().last.Tokens, "there is one slot")
				made := first.read().last.Tokens
				cancel()
				e.Turn()
				require.True(t, first.read().ended)
				require.Equal(t, fault.Cancelled, fault.CodeOf(first.last.Err))
				require.Equal(t, made, first.last.Tokens)
				for range 13 {
					e.Turn()
				}
				require.True(t, next.read().ended)
				require.Equal(t, want, next.text.String())
			})
		}
	}
}

func TestAUsersReplyTakesAsManyTurnsWhateverElseRuns(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := still(t, infer.Options{})
	for _, c := range []struct {
		name   string
		others []infer.Request
	}{
		{"alone", nil},
		{"beside another user", []infer.Request{greedy(prompt, 100)}},
		{"beside a search of more than a batch", slices.Repeat([]infer.Request{inBackground(greedy(prompt, 100))}, 300)},
	} {
		for _, ahead := range []int{0, 5} { // turns that the others have before
			t.Run(fmt.Sprint(c.name, " after ", ahead), func(t *testing.T) {
				e.Turn() // those of the case before have gone
				for _, r := range c.others {
					start(t, e, m, r)
				}
				for range ahead {
					e.Turn()
				}
				user, _ := start(t, e, m, greedy(prompt, 12))
				for range 11 { // the first turn computes the prompt and does a step, too
					require.False(t, user.read().ended)
					e.Turn()
				}
				require.True(t, user.read().ended)
				require.Equal(t, want, user.text.String())
			})
		}
	}
}

// A reader who is late gets all the text, in fewer pieces, and holds up nobody.
func TestALateReaderLosesNothing(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	config := m.Weights.Config()
	config.MaxPositionEmbeddings = 100_000
	weights, err := infer.NewWeights(config, devicetest.Open(t), m.Weights.Tensors())
	require.NoError(t, err)
	long := &infer.Model{Name: "long", Weights: weights, Tokenizer: m.Tokenizer}
	const tokens = 600
	for _, c := range []struct {
		name  string
		reads int // turns after which the reader takes what is there; 0: only at the end
	}{{"in step", 1}, {"now and then", 400}, {"at the end", 0}} {
		t.Run(c.name, func(t *testing.T) {
			e := still(t, infer.Options{})
			r, _ := start(t, e, long, greedy(prompt, tokens))
			require.Less(t, cap(r.chunks), tokens)
			for turn := range tokens {
				e.Turn()
				if c.reads > 0 && turn%c.reads == 0 {
					r.read()
				}
			}
			require.True(t, r.read().ended)
			require.Equal(t, infer.Chunk{Text: r.last.Text, Tokens: tokens, FinishReason: "length"}, r.last)
			require.Len(t, strings.Fields(r.text.String()), tokens)
			require.True(t, strings.HasPrefix(r.text.String(), want))
		})
	}
}

// What a seed gives alone it gives whatever joins, leaves or fails meanwhile.
func TestASeedGivesItsReplyWhateverJoins(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	seed := uint64(11)
	sampled := greedy(prompt, 30)
	sampled.Sampling.Temperature, sampled.Sampling.Seed = 1.2, &seed
	for _, background := range []bool{false, true} {
		sampled.Background = background
		want, err := engine(t, infer.Options{}).Generate(t.Context(), m, []infer.Request{sampled})
		require.NoError(t, err)
		e := still(t, infer.Options{ChunkTokens: 8, GrowColumns: 4})
		one, _ := start(t, e, m, sampled)
		same, _ := start(t, e, m, sampled) // in the same batch
		leaving := greedy(prompt[2:], 3)
		leaving.Background = background
		start(t, e, m, leaving)
		for turn := 0; turn < 200 && !(one.read().ended && same.read().ended); turn++ {
			switch turn % 5 {
			case 1:
				start(t, e, m, greedy(prompt[turn%7:], 4))
			case 2:
				start(t, e, m, inBackground(sampled))
			case 3:
				_, cancel := start(t, e, m, greedy(prompt, 100))
				cancel()
			}
			e.Turn()
		}
		for _, r := range []*reply{one, same} {
			require.True(t, r.ended)
			require.Equal(t, want[0].Text, r.text.String())
		}
	}
}

func TestAPanicEndsItsBatchAndNoOther(t *testing.T) {
	good, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	for _, c := range []struct {
		name  string
		spoil func(m *infer.Model) // before the request
		later func(m *infer.Model) // while it waits
	}{
		{name: "in the tokenizer", spoil: func(m *infer.Model) { m.Tokenizer = nil }},
		{name: "when the batch is formed", later: func(m *infer.Model) { m.Weights = nil }},
	} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " background=", background), func(t *testing.T) {
				e := still(t, infer.Options{})
				// Weights of its own: a model never shares a batch with other weights.
				weights, err := infer.NewWeights(good.Weights.Config(), devicetest.Open(t), good.Weights.Tensors())
				require.NoError(t, err)
				bad := &infer.Model{Name: "bad", Weights: weights, Tokenizer: good.Tokenizer}
				if c.spoil != nil {
					c.spoil(bad)
				}
				r := greedy(prompt, 12)
				r.Background = background
				before, _ := start(t, e, good, greedy(prompt, 12))
				broken := make([]*reply, 3)
				for i := range broken {
					broken[i], _ = start(t, e, bad, r)
				}
				if c.later != nil {
					c.later(bad)
				}
				after, _ := start(t, e, good, r)
				for range 40 {
					e.Turn()
				}
				for _, b := range broken {
					require.True(t, b.read().ended)
					require.Equal(t, fault.Internal, fault.CodeOf(b.last.Err), "%v", b.last.Err)
				}
				for _, g := range []*reply{before, after} {
					require.True(t, g.read().ended)
					require.NoError(t, g.last.Err)
					require.Equal(t, want, g.text.String())
				}
			})
		}
	}
}

// treacherous is a context that panics when it is asked.
type treacherous struct{ context.Context }

func (treacherous) Err() error { panic("asked") }

func TestAPanicOfNoBatchLeavesTheEngineRunning(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	chunks, err := e.Stream(treacherous{t.Context()}, m, greedy(prompt, 12))
	require.NoError(t, err)
	last := end(t, chunks)
	require.Equal(t, fault.Internal, fault.CodeOf(last.Err), "%v", last.Err)
	got, err := e.Generate(t.Context(), m, []infer.Request{greedy(prompt, 12)})
	require.NoError(t, err)
	require.Equal(t, want, got[0].Text)
}

// However a batch ends, its buffers are freed then, and not when Go's garbage
// collector, which knows nothing of their size, comes by.
func TestABatchThatEndsFreesItsCache(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns int // before it ends
		end   func(t *testing.T, m *infer.Model, cancel func())
		code  fault.Code
	}{
		{name: "fails in the prompt", turns: 1, end: lose, code: fault.Internal},
		{name: "fails between tokens", turns: 5, end: lose, code: fault.Internal},
		{name: "cancelled", turns: 5, end: func(_ *testing.T, _ *infer.Model, cancel func()) { cancel() }, code: fault.Cancelled},
		{name: "complete", turns: 40},
	} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " background=", background), func(t *testing.T) {
				m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
				e := still(t, infer.Options{ChunkTokens: 8, GrowColumns: 4, GreedySteps: 2, PrefixBytes: -1})
				runtime.GC()
				before := pjrt.BuffersAlive()
				r := greedy(prompt, 30)
				r.Background = background
				one, cancel := start(t, e, m, r)
				for range c.turns {
					e.Turn()
				}
				if c.end != nil {
					require.False(t, one.read().ended)
					c.end(t, m, cancel)
					e.Turn()
				}
				require.True(t, one.read().ended)
				require.Equal(t, c.code, fault.CodeOf(one.last.Err), "%v", one.last.Err)
				require.LessOrEqual(t, pjrt.BuffersAlive(), before)
			})
		}
	}
}

// lose makes a model that the device can't compute with any more.
func lose(t *testing.T, m *infer.Model, _ func()) {
	t.Helper()
	require.NoError(t, m.Weights.Tensors()[3].FinalizeAll())
}
