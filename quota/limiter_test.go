package quota

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
)

// limiter is what both kinds have in common.
type limiter interface {
	Take(ctx context.Context, caller string, l Limits) Verdict
	Charge(ctx context.Context, caller string, l Limits, tokens int)
}

// clocked is a limiter whose time the test moves.
type clocked struct {
	limiter
	pass func(time.Duration)
}

func newLocal(*testing.T) clocked {
	var now time.Duration
	q := NewLocal()
	q.now = func() time.Duration { return now }
	return clocked{q, func(d time.Duration) { now += d }}
}

func newShared(t *testing.T) clocked {
	server := miniredis.RunT(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	server.SetTime(now)
	return clocked{openShared(t, server.Addr()), func(d time.Duration) {
		now = now.Add(d)
		server.SetTime(now)
		server.FastForward(d)
	}}
}

func openShared(t *testing.T, addr string) *Shared {
	t.Helper()
	s, err := OpenShared("redis://"+addr, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// both runs a test with each kind.
func both(t *testing.T, test func(t *testing.T, q clocked)) {
	t.Run("in memory", func(t *testing.T) { test(t, newLocal(t)) })
	t.Run("in Redis", func(t *testing.T) { test(t, newShared(t)) })
}

func TestRequestsAMinute(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		l := Limits{Requests: 3}
		for left := 2; left >= 0; left-- {
			v := q.Take(t.Context(), "a", l)
			require.Empty(t, v.Refused)
			require.Equal(t, Standing{Remaining: left, Reset: time.Duration(3-left) * 20 * time.Second}, v.Requests)
			require.Zero(t, v.Tokens)
			v.Release()
		}
		v := q.Take(t.Context(), "a", l)
		require.Equal(t, Requests, v.Refused)
		require.Equal(t, 20*time.Second, v.Retry)
		require.Nil(t, v.Release)
		require.Empty(t, q.Take(t.Context(), "b", l).Refused, "another caller has a bucket of its own")

		q.pass(19 * time.Second)
		v = q.Take(t.Context(), "a", l)
		require.Equal(t, Requests, v.Refused)
		require.InDelta(t, time.Second, v.Retry, float64(time.Millisecond))
		q.pass(time.Second)
		require.Empty(t, q.Take(t.Context(), "a", l).Refused)
		require.Equal(t, Requests, q.Take(t.Context(), "a", l).Refused)

		q.pass(time.Hour)
		require.Equal(t, 2, q.Take(t.Context(), "a", l).Requests.Remaining, "it never holds more than a minute's worth")
	})
}

func TestTokensAMinute(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		l := Limits{Tokens: 600}
		v := q.Take(t.Context(), "a", l)
		require.Equal(t, Standing{Remaining: 600}, v.Tokens)
		require.Zero(t, v.Requests)
		q.Charge(t.Context(), "a", l, 100)
		require.Equal(t, Standing{Remaining: 500, Reset: 10 * time.Second}, q.Take(t.Context(), "a", l).Tokens)

		q.Charge(t.Context(), "a", l, 1700) // a reply may be longer than what was left
		v = q.Take(t.Context(), "a", l)
		require.Equal(t, Tokens, v.Refused)
		require.Equal(t, 120100*time.Millisecond, v.Retry, "a debt is paid before anything else")
		require.Equal(t, Standing{Remaining: 0, Reset: 3 * time.Minute}, v.Tokens)
		q.pass(v.Retry)
		require.Empty(t, q.Take(t.Context(), "a", l).Refused)
	})
}

func TestRequestsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		l := Limits{Concurrent: 2}
		first, second := q.Take(t.Context(), "a", l), q.Take(t.Context(), "a", l)
		v := q.Take(t.Context(), "a", l)
		require.Equal(t, Concurrent, v.Refused)
		require.Positive(t, v.Retry)
		require.Empty(t, q.Take(t.Context(), "b", l).Refused)
		first.Release()
		first.Release() // once is enough
		third := q.Take(t.Context(), "a", l)
		require.Empty(t, third.Refused)
		require.Equal(t, Concurrent, q.Take(t.Context(), "a", l).Refused)
		second.Release()
		third.Release()
	})
}

func TestARefusedRequestCostsNothing(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		l := Limits{Requests: 5, Tokens: 10, Concurrent: 1}
		v := q.Take(t.Context(), "a", l)
		require.Equal(t, 4, v.Requests.Remaining)
		refused := q.Take(t.Context(), "a", l)
		require.Equal(t, Concurrent, refused.Refused)
		require.Equal(t, 4, refused.Requests.Remaining)
		v.Release()
		q.Charge(t.Context(), "a", l, 10)
		refused = q.Take(t.Context(), "a", l)
		require.Equal(t, Tokens, refused.Refused)
		require.Equal(t, 4, refused.Requests.Remaining)
		q.pass(6 * time.Second)
		require.Empty(t, q.Take(t.Context(), "a", l).Refused, "nor did it take a slot")
	})
}

func TestWithoutLimitsNothingIsRefused(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		for range 100 {
			v := q.Take(t.Context(), "a", Limits{})
			require.Empty(t, v.Refused)
			q.Charge(t.Context(), "a", Limits{}, 1<<40)
		}
	})
}

// A caller may do some things under fewer limits: they leave the buckets of the
// others as they are.
func TestLimitsThatDoNotCountLeaveTheirBuckets(t *testing.T) {
	both(t, func(t *testing.T, q clocked) {
		all, few := Limits{Requests: 10, Tokens: 10}, Limits{Requests: 10}
		q.Charge(t.Context(), "a", all, 20)
		require.Equal(t, Tokens, q.Take(t.Context(), "a", all).Refused)
		require.Empty(t, q.Take(t.Context(), "a", few).Refused)
		v := q.Take(t.Context(), "a", all)
		require.Equal(t, Tokens, v.Refused)
		require.Equal(t, 9, v.Requests.Remaining)
		require.Empty(t, q.Take(t.Context(), "b", few).Refused)
		require.Equal(t, 10, q.Take(t.Context(), "b", all).Tokens.Remaining)
	})
}

// What is in memory and what is in Redis say the same of any history.
func TestBothKindsDoTheSameSums(t *testing.T) {
	for seed := range uint64(20) {
		local, shared := newLocal(t), newShared(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		l := Limits{Requests: rng.IntN(60), Tokens: rng.IntN(5000), Concurrent: rng.IntN(4)}
		var running [][2]func()
		for step := range 200 {
			at := fmt.Sprintf("seed %d, step %d, %+v", seed, step, l)
			switch rng.IntN(4) {
			case 0:
				pause := time.Duration(rng.IntN(4000)) * time.Millisecond
				local.pass(pause)
				shared.pass(pause)
			case 1:
				n := rng.IntN(400)
				local.Charge(t.Context(), "a", l, n)
				shared.Charge(t.Context(), "a", l, n)
			case 2:
				if len(running) > 0 {
					running[0][0]()
					running[0][1]()
					running = running[1:]
				}
			default:
				one, other := local.Take(t.Context(), "a", l), shared.Take(t.Context(), "a", l)
				require.Equal(t, one.Refused, other.Refused, at)
				require.Equal(t, one.Requests.Remaining, other.Requests.Remaining, at)
				require.Equal(t, one.Tokens.Remaining, other.Tokens.Remaining, at)
				require.InDelta(t, one.Retry, other.Retry, float64(time.Millisecond), at)
				require.InDelta(t, one.Tokens.Reset, other.Tokens.Reset, float64(time.Millisecond), at)
				if one.Release != nil {
					running = append(running, [2]func(){one.Release, other.Release})
				}
			}
		}
	}
}

func TestLocalForgetsCallersWhoOweNothing(t *testing.T) {
	q := NewLocal()
	var now time.Duration
	q.now = func() time.Duration { return now }
	l := Limits{Requests: 1}
	busy := q.Take(t.Context(), "busy", l)
	q.Charge(t.Context(), "debtor", Limits{Tokens: 10}, 1000)
	for i := range 10 * fewAccounts {
		now += time.Second
		q.Take(t.Context(), fmt.Sprint("client ", i), l).Release()
	}
	require.LessOrEqual(t, len(q.accounts), 2*fewAccounts)
	require.Contains(t, q.accounts, "busy")
	busy.Release()
}
