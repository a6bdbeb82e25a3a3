package infer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// bench is an engine on a fake device, whose turns the test gives.
type bench struct {
	*Engine
	t      *testing.T
	device *fakeComputer
	words  *tokenizer.Tokenizer
}

func newBench(t *testing.T, memory int64, o Options) *bench {
	t.Helper()
	o.Memory = device.NewMemory(memory)
	b := &bench{t: t, device: &fakeComputer{memory: o.Memory, broken: map[*Weights]bool{}}, words: Words(t, fakeVocab)}
	b.Engine = newEngine(b.device, o)
	b.now = func() time.Time { return b.device.clock }
	t.Cleanup(func() {
		b.shut(errors.New("the test is over"))
		require.Zero(t, b.device.alive, "caches that nobody freed")
		_, used := o.Memory.Usage()
		require.Zero(t, used, "bytes that nobody gave back")
	})
	return b
}

func (b *bench) model(name string, w *Weights) *Model {
	return &Model{Name: name, Weights: w, Tokenizer: b.words}
}

// asked is a request and what came of it.
type asked struct {
	m       *Model
	r       Request
	chunks  <-chan Chunk
	cancel  context.CancelFunc
	last    Chunk
	logs    []TokenLogprob
	prompt  []TokenLogprob
	ended   bool
	text    string
	refused error
}

func (b *bench) ask(m *Model, r Request) *asked {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	a := &asked{m: m, r: r, cancel: cancel}
	a.chunks, a.refused = b.Stream(ctx, m, r)
	return a
}

func (a *asked) read() *asked {
	for !a.ended && a.refused == nil {
		select {
		case c, open := <-a.chunks:
			if a.ended = !open; open {
				a.last = c
				a.text += c.Text
				a.logs = append(a.logs, c.Logprobs...)
				a.prompt = append(a.prompt, c.PromptLogprobs...)
			}
		default:
			return a
		}
	}
	return a
}

// run gives turns until all have ended, and fails if they do not.
func (b *bench) run(all ...*asked) {
	b.t.Helper()
	for turn := 0; ; turn++ {
		waiting := slices.ContainsFunc(all, func(a *asked) bool { return a.refused == nil && !a.read().ended })
		if !waiting {
			return
		}
		require.Less(b.t, turn, 100_000, "they never end")
		b.turn()
	}
}

// expected is the text that the fake model continues a prompt with.
func (b *bench) expected(w *Weights, prompt []int32, n int) string {
	tokens := slices.Clone(prompt)
	for range n {
		tokens = append(tokens, follows(w, tokens))
	}
	return b.words.Decode(tokens[len(prompt):], true)
}

// tokensFrom makes n tokens out of a seed.
func tokensFrom(seed, n int) []int32 {
	r := rand.New(rand.NewPCG(uint64(seed), 5))
	all := make([]int32, n)
	for i := range all {
		all[i] = r.Int32N(fakeVocab)
	}
	return all
}

func plain(prompt []int32, reply int) Request {
	return Request{Prompt: prompt, Sampling: Sampling{MaxTokens: reply}}
}

// Whatever shares the device with a request, its reply is the one it gets alone:
// prompts that begin alike, long and short ones, several models, searches, too
// little memory, readers that go.
func TestEveryReplyIsTheOneThatItsPromptGetsAlone(t *testing.T) {
	for seed := range 60 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			memory := int64(1) << 40
			if seed%3 > 0 {
				memory = 5000 + r.Int64N(60_000)
			}
			b := newBench(t, memory, Options{
				Slots: 1 + r.IntN(40), BackgroundRows: 1 + r.IntN(40), QueueLimit: 1000,
				ChunkTokens: 8 << r.IntN(6), GreedySteps: 1 << r.IntN(4), GrowColumns: 1 + r.IntN(64), PrefixBytes: 4000,
			})
			b.device.single = seed%2 == 1
			var models []*Model
			for i := range 1 + r.IntN(3) {
				models = append(models, b.model(fmt.Sprint(i), fakeWeights(int64(100+i), 2048)))
			}
			var all []*asked
			for i := range 80 {
				prompt := append(tokensFrom(r.IntN(3), 1+r.IntN(200)), tokensFrom(1000+i, r.IntN(10))...)
				request := plain(prompt, 1+r.IntN(60))
				request.Background = r.IntN(2) == 0
				switch r.IntN(8) {
				case 0:
					request.Sampling.Logprobs = true // by way of the host
				case 1:
					request.PromptLogprobs = true
				case 2:
					request = embedding(prompt, PoolMean)
				case 3:
					request = embedding(prompt, PoolLast)
				}
				all = append(all, b.ask(models[r.IntN(len(models))], request))
				for range r.IntN(6) {
					b.turn()
				}
				if r.IntN(10) == 0 {
					all[r.IntN(len(all))].cancel()
				}
			}
			b.run(all...)
			answered := 0
			for i, a := range all {
				code := fault.CodeOf(cmp.Or(a.refused, a.last.Err))
				if code == fault.Cancelled || code == fault.OutOfMemory && memory < 1<<40 {
					continue
				}
				require.NoError(t, cmp.Or(a.refused, a.last.Err))
				answered++
				if a.r.pooling != "" {
					require.Equal(t, expectedVector(a.m.Weights, a.r), a.last.embedding, "request %d", i)
					continue
				}
				n := a.r.Sampling.MaxTokens
				require.Equal(t, b.expected(a.m.Weights, a.r.Prompt, n), a.text, "request %d", i)
				require.Equal(t, n, a.last.Tokens)
				if a.r.Sampling.Logprobs {
					require.Len(t, a.logs, n)
				}
				if a.r.PromptLogprobs {
					requireScored(t, a)
				}
			}
			require.Greater(t, answered, 30)
		})
	}
}

// requireScored checks a prompt's log probabilities: the fake model has a likely
// next token at each place, and all others are alike.
func requireScored(t *testing.T, a *asked) {
	t.Helper()
	require.Len(t, a.prompt, len(a.r.Prompt))
	require.False(t, a.prompt[0].Known)
	seen := shown(a.m, a.r)
	for i, p := range a.prompt {
		require.Equal(t, a.r.Prompt[i], p.ID)
		if i > 0 {
			likely := follows(a.m.Weights, seen[:i]) == p.ID
			require.True(t, p.Known)
			require.Equal(t, likely, p.Logprob > -1, "place %d", i)
		}
	}
}

func TestALongPromptHoldsUpNobodyForMoreThanAChunk(t *testing.T) {
	b := newBench(t, 1<<40, Options{ChunkTokens: 64})
	m := b.model("m", fakeWeights(1, 100_000))
	running := b.ask(m, plain(tokensFrom(1, 10), 500))
	for range 5 {
		b.turn()
	}
	b.ask(m, plain(tokensFrom(2, 5000), 10))
	b.ask(m, plain(tokensFrom(3, 3000), 10))
	short := b.ask(m, plain(tokensFrom(4, 20), 5))
	before := len(b.device.passes)
	for turn := range 60 {
		made := running.read().last.Tokens
		b.turn()
		require.Equal(t, made+1, running.read().last.Tokens, "turn %d", turn)
	}
	prompts := 0
	for _, p := range b.device.passes[before:] {
		if p.decode {
			prompts = 0
			continue
		}
		prompts += p.rows * p.n
		require.LessOrEqual(t, prompts, 64, "prompt tokens between two steps")
	}
	require.True(t, short.read().ended, "a short prompt does not wait for long ones")
}

func TestModelsShareTheSlots(t *testing.T) {
	b := newBench(t, 1<<40, Options{Slots: 4})
	crowd, lonely := b.model("crowd", fakeWeights(1, 4096)), b.model("lonely", fakeWeights(2, 4096))
	var all []*asked
	for i := range 40 {
		all = append(all, b.ask(crowd, plain(tokensFrom(i, 10), 20)))
	}
	b.turn()
	one := b.ask(lonely, plain(tokensFrom(99, 10), 20))
	ahead := 0
	for !one.read().ended {
		b.turn()
	}
	for _, a := range all {
		if a.read().ended {
			ahead++
		}
	}
	require.LessOrEqual(t, ahead, 8, "it gets the first slot that comes free")
	b.run(all...)
}

func TestASearchGetsAFifthOfTheTimeBesideUsersAndAllOfItWithout(t *testing.T) {
	b := newBench(t, 1<<40, Options{GreedySteps: 8})
	users, search := b.model("users", fakeWeights(1, 1<<20)), b.model("search", fakeWeights(2, 1<<20))
	user := b.ask(users, plain(tokensFrom(1, 10), 10_000))
	background := plain(tokensFrom(2, 10), 10_000)
	background.Background = true
	for range 20 {
		b.ask(search, background)
	}
	spent := func() map[*Weights]int {
		all := map[*Weights]int{}
		for range 1000 {
			b.turn()
		}
		for _, p := range b.device.passes {
			all[p.weights] += p.rows * p.n
		}
		return all
	}
	first := spent()
	share := float64(first[search.Weights]) / float64(first[search.Weights]+first[users.Weights])
	require.InDelta(t, 0.2, share, 0.05)
	user.cancel()
	b.turn()
	b.device.passes = nil
	require.Zero(t, spent()[users.Weights])
}

func TestASharedPromptIsComputedOnce(t *testing.T) {
	system := tokensFrom(1, 500)
	with := func(tail int) []int32 { return append(slices.Clone(system), tokensFrom(tail, 9)...) }
	computed := func(b *bench) (tokens int) {
		for _, p := range b.device.passes {
			if !p.decode {
				tokens += p.rows * p.n
			}
		}
		return tokens
	}
	t.Run("by one after another", func(t *testing.T) {
		b := newBench(t, 1<<40, Options{})
		m := b.model("m", fakeWeights(1, 4096))
		first := b.ask(m, plain(with(2), 3))
		b.run(first)
		require.Zero(t, first.last.Cached)
		b.device.passes = nil
		second := b.ask(m, plain(with(3), 3))
		b.run(second)
		require.GreaterOrEqual(t, second.last.Cached, 480)
		require.Equal(t, len(with(3))-second.last.Cached, computed(b))
		require.Equal(t, b.expected(m.Weights, with(3), 3), second.text)
		other := b.ask(b.model("other", fakeWeights(2, 4096)), plain(with(3), 3))
		b.run(other)
		require.Zero(t, other.last.Cached, "another model's keys are other keys")
		b.Forget(m.Weights)
		again := b.ask(m, plain(with(3), 3))
		b.run(again)
		require.Zero(t, again.last.Cached, "the model has gone meanwhile")
	})
	t.Run("by a conversation that goes on", func(t *testing.T) {
		b := newBench(t, 1<<40, Options{})
		m := b.model("m", fakeWeights(1, 4096))
		first := b.ask(m, plain(with(2), 40))
		b.run(first)
		turn := append(with(2), b.words.Encode(first.text, false)...)
		turn = append(turn, tokensFrom(5, 7)...)
		second := b.ask(m, plain(turn, 3))
		b.run(second)
		require.GreaterOrEqual(t, second.last.Cached, len(turn)-16, "its own reply is known, too")
		require.Equal(t, b.expected(m.Weights, turn, 3), second.text)
	})
	for _, background := range []bool{false, true} {
		t.Run(fmt.Sprint("by all at once, background=", background), func(t *testing.T) {
			b := newBench(t, 1<<40, Options{ChunkTokens: 512})
			m := b.model("m", fakeWeights(1, 4096))
			var all []*asked
			for i := range 32 {
				r := plain(with(10+i), 3)
				r.Background = background
				all = append(all, b.ask(m, r))
			}
			b.run(all...)
			require.Less(t, computed(b), 512+32*32, "once, and what differs")
			for i, a := range all {
				require.Equal(t, b.expected(m.Weights, with(10+i), 3), a.text)
			}
			_, used := b.options.Memory.Usage()
			require.Equal(t, background, used == 0, "a search leaves nothing behind")
		})
	}
}

func TestWhatCanNeverFitIsRefusedAtOnce(t *testing.T) {
	b := newBench(t, 10_000, Options{})
	m := b.model("m", fakeWeights(2000, 100_000))
	fits, never := b.ask(m, plain(tokensFrom(1, 1000), 1)), b.ask(m, plain(tokensFrom(1, 4000), 1))
	require.NoError(t, fits.refused)
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(never.refused))
	require.ErrorContains(t, never.refused, "10000")
	require.ErrorContains(t, never.refused, "4000 tokens")
	b.run(fits)
	require.NoError(t, fits.last.Err)
}

func TestALongReplyThatOutgrowsTheDeviceEndsWithAnError(t *testing.T) {
	b := newBench(t, 3000, Options{})
	endless := b.ask(b.model("m", fakeWeights(1, 100_000)), plain(tokensFrom(1, 10), 50_000))
	b.run(endless)
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(endless.last.Err))
	require.Greater(t, endless.last.Tokens, 100)
}

func TestTooLittleMemoryMakesSequencesWaitAndNotFail(t *testing.T) {
	b := newBench(t, 3500, Options{})
	m := b.model("m", fakeWeights(1, 4096))
	var all []*asked
	for i := range 16 {
		all = append(all, b.ask(m, plain(tokensFrom(i, 30), 150)))
	}
	b.run(all...)
	for i, a := range all {
		require.NoError(t, a.last.Err)
		require.Equal(t, b.expected(m.Weights, tokensFrom(i, 30), 150), a.text)
	}
	require.Positive(t, b.Stats().Preemptions)
}

func TestWhoWaitsForMemoryDoesNotWaitForTheLongestReply(t *testing.T) {
	b := newBench(t, 9000, Options{PrefixBytes: -1})
	m := b.model("m", fakeWeights(1, 4096))
	long := b.ask(m, plain(tokensFrom(99, 10), 1000))
	var others []*asked
	for i := range 20 {
		others = append(others, b.ask(m, plain(tokensFrom(i, 300), 30)))
	}
	b.run(others...)
	require.Positive(t, b.Stats().Preemptions)
	require.False(t, long.read().ended)
	for i, a := range others {
		require.NoError(t, a.last.Err)
		require.Equal(t, b.expected(m.Weights, tokensFrom(i, 300), 30), a.text)
	}
	b.run(long)
	require.NoError(t, long.last.Err)
}

func TestASearchGivesItsMemoryToUsers(t *testing.T) {
	b := newBench(t, 9000, Options{})
	background := plain(tokensFrom(1, 50), 100)
	background.Background = true
	search := b.model("search", fakeWeights(1, 4096))
	var all []*asked
	for range 32 {
		all = append(all, b.ask(search, background))
	}
	for range 5 {
		b.turn()
	}
	_, used := b.options.Memory.Usage()
	require.Greater(t, used, int64(4000))
	user := b.ask(b.model("user", fakeWeights(2, 4096)), plain(tokensFrom(2, 1500), 20))
	b.run(user)
	require.NoError(t, user.last.Err)
	b.run(all...)
	for _, a := range all {
		require.NoError(t, a.last.Err)
		require.Equal(t, b.expected(search.Weights, a.r.Prompt, 100), a.text)
	}
}

func TestABrokenModelEndsItsOwnRequestsOnly(t *testing.T) {
	b := newBench(t, 1<<40, Options{})
	good, bad := b.model("good", fakeWeights(1, 4096)), b.model("bad", fakeWeights(2, 4096))
	fine := b.ask(good, plain(tokensFrom(1, 10), 20))
	doomed := b.ask(bad, plain(tokensFrom(2, 10), 20))
	b.turn()
	b.device.broken[bad.Weights] = true
	b.run(fine, doomed)
	require.Equal(t, fault.Internal, fault.CodeOf(doomed.last.Err))
	require.NoError(t, fine.last.Err)
	require.Equal(t, b.expected(good.Weights, fine.r.Prompt, 20), fine.text)
}

// A deadline that passes ends a reply in the next turn, wherever it is.
func TestADeadlineIsKept(t *testing.T) {
	b := newBench(t, 1<<40, Options{Slots: 1})
	m := b.model("m", fakeWeights(1, 4096))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	running := b.ask(m, plain(tokensFrom(1, 10), 1000))
	b.turn()
	chunks, err := b.Stream(ctx, m, plain(tokensFrom(2, 10), 10))
	require.NoError(t, err)
	b.turn()
	last := <-chunks
	require.ErrorIs(t, last.Err, context.DeadlineExceeded)
	require.False(t, running.read().ended)
}

// However people mix lengths, the programs that a device has to compile are few.
func TestShapesAreFew(t *testing.T) {
	b := newBench(t, 1<<40, Options{QueueLimit: 10_000})
	r := rand.New(rand.NewPCG(1, 1))
	m := b.model("m", fakeWeights(1, 2048))
	var all []*asked
	for i := range 2000 {
		all = append(all, b.ask(m, plain(tokensFrom(i, 1+r.IntN(800)), 1+r.IntN(200))))
		for range r.IntN(8) {
			b.turn()
		}
	}
	b.run(all...)
	passes := 0
	for shape := range b.device.shapes {
		if shape[0] == 'e' {
			passes++
		}
	}
	t.Logf("%d programs, %d of them passes through the model", len(b.device.shapes), passes)
	require.Less(t, passes, 250)
}
