package keys

import (
	"context"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// note remembers a use of a key, unless one was remembered just now.
func (r *Ring) note(id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.used[id]) < useGrain {
		return
	}
	r.used[id], r.unsaid[id] = now, true
}

// tell lets the store know of uses that it does not know of. What it can't be
// told now, it is told the next time.
func (r *Ring) tell(ctx context.Context) {
	r.mu.Lock()
	uses := map[string]time.Time{}
	for id := range r.unsaid {
		uses[id] = r.used[id]
	}
	r.mu.Unlock()
	for id, at := range uses {
		err := r.store.TouchKey(ctx, id, at)
		switch fault.CodeOf(err) {
		case "", fault.NotFound: // those of the configuration are no records
			r.mu.Lock()
			delete(r.unsaid, id)
			r.mu.Unlock()
		default:
			return
		}
	}
}
