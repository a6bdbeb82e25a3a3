package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/store"
)

// redisRetry is the pause between two attempts to reach a Redis that is waited for.
const redisRetry = 250 * time.Millisecond

// openStore opens the embedded store, or a mirror of a Redis.
func (s *settings) openStore(ctx context.Context, log *slog.Logger) (store.Store, error) {
	if s.Redis == "" {
		if err := os.MkdirAll(s.Data, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
		return store.OpenBolt(filepath.Join(s.Data, "mergeway.db"))
	}
	r, err := s.openRedis(ctx, log)
	if err != nil {
		return nil, err
	}
	if kept, err := r.AppendOnly(ctx); err == nil && !kept {
		log.Warn("Redis writes no append-only file: what was acknowledged may be lost when it dies; set appendonly yes")
	}
	return store.NewMirror(ctx, r, store.MirrorOptions{Logger: log})
}

// openRedis connects to Redis, for RedisWait if it isn't there yet.
func (s *settings) openRedis(ctx context.Context, log *slog.Logger) (*store.Redis, error) {
	deadline := time.Now().Add(s.RedisWait)
	for first := true; ; first = false {
		r, err := store.OpenRedis(ctx, s.Redis)
		if fault.CodeOf(err) != fault.Unavailable || !time.Now().Add(redisRetry).Before(deadline) {
			return r, err
		}
		if first {
			log.Warn("Redis is waited for", "longest", s.RedisWait, "error", err)
		}
		select {
		case <-time.After(redisRetry):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// parts says how the parts of the server are.
func (r *rooms) parts(ctx context.Context) []gateway.Part {
	all := []gateway.Part{r.storePart(ctx)}
	if r.device != nil && r.device.KernelProblem() != nil {
		all = append(all, kernelsPart(r.device.KernelProblem()))
	}
	return all
}

// kernelsPart says that kernels are missing which the processor could run. Nobody is
// told of them else: where there are none by design, nothing is wrong.
func kernelsPart(problem error) gateway.Part {
	return gateway.Part{
		Name: "kernels", Status: gateway.PartDegraded, Err: problem,
		Reason: "models are computed by XLA's kernels, more slowly: " + problem.Error(),
	}
}

// storePart says how the store is.
func (r *rooms) storePart(ctx context.Context) gateway.Part {
	part := gateway.Part{Name: "store", Status: gateway.PartReady}
	m, mirrored := r.store.(*store.Mirror)
	if !mirrored {
		if part.Err = r.store.Ping(ctx); part.Err != nil {
			part.Status = gateway.PartFailed
		}
		return part
	}
	if status := m.Status(); status.Lost != nil {
		why := "Redis is out of reach"
		if errors.Is(status.Lost, store.ErrOtherState) {
			why = "Redis holds the state of other gateways"
		}
		part.Status, part.Err, part.Since = gateway.PartDegraded, status.Lost, &status.Since
		part.Reason = fmt.Sprintf("%s: recipes, aliases and keys are used as they were at version %d, and can't be changed", why, status.Version)
	}
	return part
}
