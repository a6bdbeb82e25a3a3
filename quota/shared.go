package quota

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/store"
)

const (
	keyPrefix = "mergeway:quota:"

	patience = 500 * time.Millisecond // for one answer of Redis: a request waits for it
	pause    = time.Second            // until Redis is asked again after it did not answer
	lease    = 30 * time.Second       // how long a slot lasts that nobody renews
)

// Shared keeps the buckets in Redis, for several gateways that count together.
// While Redis does not answer, each counts by itself, from full buckets: callers
// may then have as many times their limits as there are gateways.
type Shared struct {
	client *redis.Client
	log    *slog.Logger
	alone  *Local
	askAt  atomic.Int64 // while Redis is away: when to ask again, in nanoseconds; else 0

	mu   sync.Mutex
	held map[string]string // the slots of this process, and whose they are

	stop     context.CancelFunc
	renewing sync.WaitGroup
}

// OpenShared makes a Shared for the server at url; see store.OpenRedis for its
// form. It does not connect yet. The connections are its own: they give up sooner
// than those of a store may.
func OpenShared(url string, log *slog.Logger) (*Shared, error) {
	o, err := store.RedisOptions(url)
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
	o.MaxRetries = -1
	s := &Shared{client: redis.NewClient(o), log: log, alone: NewLocal(), held: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.renewing.Go(func() { s.renewUntil(ctx) })
	return s, nil
}

// Close lets go of the connections. Slots that are held run out by themselves.
func (s *Shared) Close() error {
	s.stop()
	s.renewing.Wait()
	return s.client.Close()
}

// Alone tells whether this process counts by itself, since Redis does not answer.
func (s *Shared) Alone() bool { return s.askAt.Load() != 0 }

// Take lets a request of a caller in, or says why not.
func (s *Shared) Take(ctx context.Context, caller string, l Limits) Verdict {
	slot := rand.Text()
	var refused Limit
	var requests, tokens float64
	answered := s.ask(ctx, func(ctx context.Context) error {
		reply, err := takeScript.Run(ctx, s.client, keysOf(caller), l.Requests, l.Tokens, l.Concurrent, slot, lease.Milliseconds()).StringSlice()
		if err != nil {
			return err
		}
		refused, requests, tokens, err = readVerdict(reply)
		return err
	})
	if !answered {
		return s.alone.Take(ctx, caller, l)
	}
	v := l.verdict(refused, requests, tokens)
	if refused == "" {
		v.Release = s.hold(ctx, slot, caller, l)
	}
	return v
}

// readVerdict reads the reply of takeScript.
func readVerdict(reply []string) (refused Limit, requests, tokens float64, err error) {
	if len(reply) != 3 {
		return "", 0, 0, fmt.Errorf("a script answered with %d values", len(reply))
	}
	if requests, err = strconv.ParseFloat(reply[1], 64); err == nil {
		tokens, err = strconv.ParseFloat(reply[2], 64)
	}
	return Limit(reply[0]), requests, tokens, err
}

// hold keeps a slot until the returned function is called.
func (s *Shared) hold(ctx context.Context, slot, caller string, l Limits) func() {
	if l.Concurrent == 0 {
		return func() {}
	}
	s.mu.Lock()
	s.held[slot] = caller
	s.mu.Unlock()
	return sync.OnceFunc(func() {
		s.mu.Lock()
		delete(s.held, slot)
		s.mu.Unlock()
		s.ask(ctx, func(ctx context.Context) error { return s.client.ZRem(ctx, keysOf(caller)[2], slot).Err() })
	})
}

// Charge takes tokens that were used out of a caller's bucket.
func (s *Shared) Charge(ctx context.Context, caller string, l Limits, tokens int) {
	if l.Tokens == 0 {
		return
	}
	answered := s.ask(ctx, func(ctx context.Context) error {
		return chargeScript.Run(ctx, s.client, keysOf(caller)[1:2], l.Tokens, tokens).Err()
	})
	if !answered {
		s.alone.Charge(ctx, caller, l, tokens)
	}
}

// ask calls Redis, and says whether it answered. The patience is ours: a client
// that leaves meanwhile says nothing about Redis.
func (s *Shared) ask(ctx context.Context, call func(ctx context.Context) error) bool {
	due := s.askAt.Load()
	if due != 0 {
		now := time.Now()
		if now.UnixNano() < due || !s.askAt.CompareAndSwap(due, now.Add(pause).UnixNano()) {
			return false // nobody waits for a server that is away, but for one a second
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := call(ctx); err != nil {
		if s.askAt.Swap(time.Now().Add(pause).UnixNano()) == 0 {
			s.log.Warn("limits are counted by this process alone: Redis does not answer", "error", err)
		}
		return false
	}
	if s.askAt.Swap(0) != 0 {
		s.log.Info("limits are counted in Redis again")
	}
	return true
}

// renewUntil renews the slots of this process in time, until ctx ends.
func (s *Shared) renewUntil(ctx context.Context) {
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.renew(ctx)
		}
	}
}

func (s *Shared) renew(ctx context.Context) {
	slots := map[string][]any{}
	s.mu.Lock()
	for slot, caller := range s.held {
		slots[caller] = append(slots[caller], slot)
	}
	s.mu.Unlock()
	for caller, held := range slots {
		args := append([]any{lease.Milliseconds()}, held...)
		s.ask(ctx, func(ctx context.Context) error {
			return renewScript.Run(ctx, s.client, keysOf(caller)[2:], args...).Err()
		})
	}
}

// keysOf names what is kept of a caller: both buckets and the slots.
func keysOf(caller string) []string {
	return []string{keyPrefix + "requests:" + caller, keyPrefix + "tokens:" + caller, keyPrefix + "slots:" + caller}
}
