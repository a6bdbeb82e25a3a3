package search

import (
	"context"
	"sort"
	"sync"
)

// eventLog holds the events of one search for those who watch it. Writers never
// wait: a watcher reads at its own pace, from wherever it is.
type eventLog struct {
	mu      sync.Mutex
	events  []Event // in ascending order of Number
	closed  bool
	changed chan struct{} // closed when something is added or the log is closed
}

func newEventLog(events []Event) *eventLog {
	return &eventLog{events: events, changed: make(chan struct{})}
}

// add appends events.
func (l *eventLog) add(events ...Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
	close(l.changed)
	l.changed = make(chan struct{})
}

// close tells watchers that nothing more will come.
func (l *eventLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.changed)
	}
}

// since gives the events numbered higher than after, a channel that is closed
// when there are more, and whether there will never be more.
func (l *eventLog) since(after int) ([]Event, <-chan struct{}, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := sort.Search(len(l.events), func(i int) bool { return l.events[i].Number > after })
	return l.events[first:], l.changed, l.closed
}

// watch streams the events numbered higher than after, past and future, until
// the log is closed or ctx ends.
func (l *eventLog) watch(ctx context.Context, after int) <-chan Event {
	out := make(chan Event)
	go func() {
		defer close(out)
		for {
			events, changed, closed := l.since(after)
			var taken bool
			if after, taken = deliver(ctx, out, events, after); !taken {
				return
			}
			if len(events) > 0 {
				continue // more may have come while the watcher was slow
			}
			if closed {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// deliver sends events to a watcher who has had those up to after, and gives the
// number of the last that was taken. taken is false if ctx ended before all were.
func deliver(ctx context.Context, out chan<- Event, events []Event, after int) (last int, taken bool) {
	for _, e := range events {
		select {
		case out <- e:
			after = e.Number
		case <-ctx.Done():
			return after, false
		}
	}
	return after, true
}
