package fleet

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// frozenRedis is what a process sees of Redis that does not run: nothing.
type frozenRedis struct {
	mu   sync.Mutex
	wait chan struct{} // closed when it thaws; nil: it isn't frozen
}

func (f *frozenRedis) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wait = make(chan struct{})
}

func (f *frozenRedis) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.wait)
	f.wait = nil
}

func (f *frozenRedis) pass() {
	f.mu.Lock()
	wait := f.wait
	f.mu.Unlock()
	if wait != nil {
		<-wait
	}
}

func (f *frozenRedis) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (f *frozenRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { f.pass(); return next(ctx, cmd) }
}

func (f *frozenRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { f.pass(); return next(ctx, cmds) }
}
