package gateway

import (
	"context"
	"sync"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// fakeResponses keeps responses in a map, and each bound that it was given.
type fakeResponses struct {
	mu    sync.Mutex
	kept  map[string]store.Response
	bound int
	reads int
	fail  error // what every call returns
}

func newFakeResponses() *fakeResponses { return &fakeResponses{kept: map[string]store.Response{}} }

func (f *fakeResponses) PutResponse(_ context.Context, r store.Response, most int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bound = most
	if f.fail == nil {
		f.kept[r.ID] = r
	}
	return f.fail
}

func (f *fakeResponses) GetResponse(_ context.Context, id string) (store.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	r, there := f.kept[id]
	if f.fail == nil && !there {
		return r, fault.New(fault.NotFound, "there is no response %q", id)
	}
	return r, f.fail
}

func (f *fakeResponses) DeleteResponse(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.kept[id]; f.fail == nil && !there {
		return fault.New(fault.NotFound, "there is no response %q", id)
	}
	delete(f.kept, id)
	return f.fail
}

// all gives what is kept.
func (f *fakeResponses) all() map[string]store.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]store.Response{}
	for id, r := range f.kept {
		out[id] = r
	}
	return out
}
