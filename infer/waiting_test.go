package infer_test

import (
	"context"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// Bounds of waiting, generous because a busy machine is no failure.
const (
	waitTime = time.Minute
	pollTime = time.Millisecond
)

// endless starts a user's reply that no test sees the end of, and gives it when
// its first token is there. It ends when stop is called.
func endless(t *testing.T, e *infer.Engine) (chunks <-chan infer.Chunk, stop context.CancelFunc) {
	t.Helper()
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	config := m.Weights.Config()
	config.MaxPositionEmbeddings = 100_000
	weights, err := infer.NewWeights(config, devicetest.Open(t), m.Weights.Tensors())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	endless := &infer.Model{Name: "endless", Weights: weights, Tokenizer: m.Tokenizer}
	chunks, err = e.Stream(ctx, endless, greedy(prompt, 0))
	require.NoError(t, err)
	first := <-chunks
	require.NoError(t, first.Err)
	t.Cleanup(func() { stop(); end(t, chunks) }) // the weights are in use until then
	return chunks, stop
}

// goesOn requires a reply that has not ended, and gives a piece that was made
// after the call.
func goesOn(t *testing.T, chunks <-chan infer.Chunk) {
	t.Helper()
	for n := len(chunks); n >= 0; n-- {
		c, open := <-chunks
		require.True(t, open)
		require.NoError(t, c.Err)
		require.Empty(t, c.FinishReason)
	}
}

// end waits for the end of a reply and gives its last piece.
func end(t *testing.T, chunks <-chan infer.Chunk) (last infer.Chunk) {
	t.Helper()
	late := time.After(waitTime)
	for {
		select {
		case c, open := <-chunks:
			if !open {
				return last
			}
			last = c
		case <-late:
			t.Error("a reply that does not end")
			return last
		}
	}
}

func waiting(t *testing.T, e *infer.Engine, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return e.Waiting() == n }, waitTime, pollTime)
}

func TestAFullQueueIsBusyUntilSomebodyLeaves(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{Slots: 1, QueueLimit: 1})
	running, _ := endless(t, e)
	ctx, leave := context.WithCancel(t.Context())
	second, err := e.Stream(ctx, m, greedy(prompt, 3))
	require.NoError(t, err)
	waiting(t, e, 1)
	_, err = e.Stream(t.Context(), m, greedy(prompt, 3))
	require.Equal(t, fault.Busy, fault.CodeOf(err))

	background := greedy(prompt, 3)
	background.Background = true
	_, err = e.Generate(t.Context(), m, []infer.Request{background})
	require.NoError(t, err, "a search has a queue of its own")

	leave()
	require.Equal(t, fault.Cancelled, fault.CodeOf(end(t, second).Err), "though the slot is still taken")
	waiting(t, e, 0)
	goesOn(t, running)
	third, cancel := context.WithCancel(t.Context())
	chunks, err := e.Stream(third, m, greedy(prompt, 3))
	require.NoError(t, err)
	cancel()
	end(t, chunks)
}

func TestABackgroundRequestThatWaitsCanBeCancelled(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	long := &infer.Model{Name: "long", Tokenizer: m.Tokenizer}
	config := m.Weights.Config()
	config.MaxPositionEmbeddings = 100_000
	var err error
	long.Weights, err = infer.NewWeights(config, devicetest.Open(t), m.Weights.Tensors())
	require.NoError(t, err)
	e := engine(t, infer.Options{})
	stream := func(of *infer.Model) (<-chan infer.Chunk, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		r := greedy(prompt, 0)
		r.Background = true
		chunks, err := e.Stream(ctx, of, r)
		require.NoError(t, err)
		return chunks, cancel
	}
	running, stop := stream(long)
	<-running
	second, leave := stream(m)
	leave()
	require.Equal(t, fault.Cancelled, fault.CodeOf(end(t, second).Err))
	goesOn(t, running)
	stop()
	end(t, running)
}

func TestACancelledReplyMakesRoomForTheNext(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{Slots: 1})
	running, stop := endless(t, e)
	next, err := e.Stream(t.Context(), m, greedy(prompt, 12))
	require.NoError(t, err)
	waiting(t, e, 1)
	goesOn(t, running)
	stop()
	last := end(t, running)
	require.Equal(t, fault.Cancelled, fault.CodeOf(last.Err))
	require.ErrorIs(t, last.Err, context.Canceled)
	text := ""
	for c := range next {
		require.NoError(t, c.Err)
		text += c.Text
	}
	require.Equal(t, want, text)
}

func TestUsersAndASearchGetTheirTurnsBesideALongReply(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	running, _ := endless(t, e)
	one, err := e.Generate(t.Context(), m, []infer.Request{greedy(prompt, 12)})
	require.NoError(t, err)
	require.Equal(t, want, one[0].Text)
	goesOn(t, running)

	many := make([]infer.Request, 300) // more than one batch
	for i := range many {
		many[i] = greedy(prompt, 12)
		many[i].Background = true
	}
	results, err := e.Generate(t.Context(), m, many)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, want, r.Text, "reply %d", i)
	}
	goesOn(t, running)
}

func TestCloseEndsWhatRunsAndWhatWaits(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	e := infer.NewEngine(devicetest.Open(t), infer.Options{Slots: 1})
	running, _ := endless(t, e)
	queued, err := e.Stream(t.Context(), m, greedy(prompt, 12))
	require.NoError(t, err)
	waiting(t, e, 1)
	e.Close()
	for _, chunks := range []<-chan infer.Chunk{running, queued} {
		require.Equal(t, fault.Unavailable, fault.CodeOf(end(t, chunks).Err))
	}
	e.Close() // again does nothing
}

func TestABatchThatFailsLeavesTheEngineRunning(t *testing.T) {
	broken, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	m, _, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	require.NoError(t, broken.Weights.Tensors()[3].FinalizeAll()) // the device can't compute without
	for _, background := range []bool{false, true} {
		r := greedy(prompt, 12)
		r.Background = background
		_, err := e.Generate(t.Context(), broken, []infer.Request{r, r, r})
		require.Equal(t, fault.Internal, fault.CodeOf(err), "%v", err)
		got, err := e.Generate(t.Context(), m, []infer.Request{r})
		require.NoError(t, err)
		require.Equal(t, want, got[0].Text)
	}
}

// Many sampled replies in one batch are those that each seed gives alone.
func TestASeedGivesItsReplyInAnyBatch(t *testing.T) {
	m, prompt, _ := load(t, "llama-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	requests := make([]infer.Request, 20)
	for i := range requests {
		seed := uint64(i % 10)
		requests[i] = greedy(prompt, 10)
		requests[i].Sampling.Temperature, requests[i].Sampling.Seed = 1.5, &seed
	}
	together, err := e.Generate(t.Context(), m, requests)
	require.NoError(t, err)
	texts := map[string]bool{}
	for i, r := range requests {
		texts[together[i].Text] = true
		require.Equal(t, together[i%10], together[i], "the same seed twice in a batch")
		alone, err := e.Generate(t.Context(), m, []infer.Request{r})
		require.NoError(t, err)
		require.Equal(t, alone[0], together[i], "seed %d", i%10)
	}
	require.Len(t, texts, 10, "other seeds, other replies")
}
