package catalog_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomlx/go-xla/pjrt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// soaking are the bounds of the soak test.
const (
	soakClients  = 64
	soakRequests = 12 // of each client
	soakPrompts  = 6
	soakReply    = 14 // tokens
)

// Many clients, four models and an alias that moves, less memory than they all
// want, readers who go away in the middle: every reply that comes to its end is
// the one that its model gives alone, nothing fails for a reason that isn't
// meant, and when all is over everything has been given back.
func TestSoak(t *testing.T) {
	devicetest.Open(t)
	goroutines, buffers := runtime.NumGoroutine(), pjrt.BuffersAlive()
	t.Run("world", soak)
	runtime.GC()
	for end := time.Now().Add(waitTime); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		time.Sleep(pollTime)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "goroutines that go on")
	require.LessOrEqual(t, pjrt.BuffersAlive(), buffers, "buffers that nobody freed")
}

func soak(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.budget = 6*tinyBytes() + 6000 // not all models, and hardly a KV cache for everybody
		w.serve = func(memory *device.Memory) *infer.Engine {
			return infer.NewEngine(devicetest.Open(t), infer.Options{
				Slots: 16, ChunkTokens: 16, GrowColumns: 8, QueueLimit: 40, PrefixBytes: 4000, Memory: memory,
			})
		}
	})
	names := []string{"a", "b", w.keep("half", blend(0.5, 0.5)), w.keep("more", blend(1, 0.5))}
	w.alias("production", names[0])
	request := func(prompt int) infer.Request {
		r := infer.Request{Sampling: infer.Sampling{MaxTokens: soakReply, IgnoreEOS: true}}
		for i := range 3 + prompt {
			r.Prompt = append(r.Prompt, int32(3+(prompt+5*i)%20))
		}
		return r
	}
	// What each model says to each prompt when it is asked nothing else.
	want := map[string][]string{}
	for _, name := range names {
		lease := w.acquire(name)
		for p := range soakPrompts {
			got, err := w.engine.Generate(t.Context(), lease.Model, []infer.Request{request(p)})
			require.NoError(t, err)
			want[lease.Model.Name] = append(want[lease.Model.Name], got[0].Text)
		}
		lease.Release()
	}

	stop := make(chan struct{})
	var moving, answered, left atomic.Int64
	go func() { // somebody who swaps models under running requests, and drops them
		defer close(stop)
		for n := 0; answered.Load()+left.Load() < soakClients*soakRequests; n++ {
			_, err := w.SetAlias(context.Background(), "production", names[n%len(names)])
			assert.NoError(t, err)
			moving.Add(1)
			time.Sleep(3 * time.Millisecond)
		}
	}()
	together(soakClients, func(client int) {
		r := rand.New(rand.NewPCG(uint64(client), 1))
		for range soakRequests {
			name := append(names, "production", "production")[r.IntN(len(names)+2)]
			p := r.IntN(soakPrompts)
			patience := -1 // tokens after which the client leaves
			if r.IntN(4) == 0 {
				patience = r.IntN(soakReply)
			}
			q := request(p)
			q.Background = r.IntN(4) == 0
			model, text, err := soakAsk(w, name, q, patience)
			switch code := fault.CodeOf(err); {
			case err == nil:
				answered.Add(1)
				assert.Equal(t, want[model][p], text, "%s to prompt %d", model, p)
			case code == fault.Cancelled && patience >= 0, code == fault.Busy, code == fault.OutOfMemory:
				left.Add(1)
			default:
				left.Add(1)
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	<-stop
	t.Logf("%d answered, %d not; %d swaps; %+v", answered.Load(), left.Load(), moving.Load(), w.engine.Stats())
	require.Greater(t, answered.Load(), int64(soakClients*soakRequests/3))
	require.Positive(t, left.Load())
	s := w.engine.Stats()
	require.Zero(t, s.Running+s.Waiting+s.SearchRunning+s.SearchWaiting, "slots that nobody gave back")
	require.Positive(t, w.merger.merges.Load())
}

// soakAsk asks a model by name and reads until the end, or until patience ends.
func soakAsk(w *world, name string, r infer.Request, patience int) (model, text string, err error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	lease, err := w.Acquire(ctx, name)
	if err != nil {
		return "", "", err
	}
	defer lease.Release()
	chunks, err := w.engine.Stream(ctx, lease.Model, r)
	if err != nil {
		return lease.Model.Name, "", err
	}
	for c := range chunks {
		text += c.Text
		if patience >= 0 && c.Tokens >= patience {
			cancel()
		}
		if c.Err != nil {
			err = c.Err
		}
	}
	return lease.Model.Name, text, err
}
