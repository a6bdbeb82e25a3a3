package search

import (
	"context"
	"sync"
	"time"
)

// crowd does jobs several at once: it begins them in their order, as many as there
// is room for, and each result can be waited for. So what is made of them is made
// in their order, whoever was faster.
type crowd[T any] struct {
	cancel  context.CancelFunc
	results []chan T
	under   sync.WaitGroup
}

// roomEvery is how often a full crowd looks whether there is more room.
const roomEvery = 500 * time.Millisecond

// gather begins jobs; nil ones are left out. width says how many may run at once
// just now. Jobs have to end soon when their context does.
func gather[T any](ctx context.Context, width func(context.Context) int, jobs []func(context.Context) T) *crowd[T] {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd[T]{cancel: cancel, results: make([]chan T, len(jobs))}
	for i, job := range jobs {
		if job != nil {
			c.results[i] = make(chan T, 1)
		}
	}
	c.under.Go(func() {
		ended := make(chan struct{}, len(jobs))
		running := 0
		for i, job := range jobs {
			if job == nil {
				continue
			}
			for running >= max(1, width(ctx)) {
				select {
				case <-ended:
					running--
				case <-time.After(roomEvery):
				case <-ctx.Done():
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			running++
			c.under.Go(func() {
				c.results[i] <- job(ctx)
				ended <- struct{}{}
			})
		}
	})
	return c
}

// wait gives the result of a job that wasn't left out. ok is false if ctx ends
// first.
func (c *crowd[T]) wait(ctx context.Context, i int) (result T, ok bool) {
	select {
	case result = <-c.results[i]:
		return result, true
	case <-ctx.Done():
		return result, false
	}
}

// has tells whether a job was given.
func (c *crowd[T]) has(i int) bool { return c != nil && c.results[i] != nil }

// close stops what is still under way, and waits for it.
func (c *crowd[T]) close() {
	if c == nil {
		return
	}
	c.cancel()
	c.under.Wait()
}
