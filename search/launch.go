package search

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// Launch checks a spec, stores the search and queues it.
func (s *Service) Launch(ctx context.Context, spec Spec) (Search, error) {
	return s.LaunchFor(ctx, "", spec)
}

// LaunchFor is Launch for whoever has an API key, by its id.
func (s *Service) LaunchFor(ctx context.Context, key string, spec Spec) (Search, error) {
	r, err := s.plan(ctx, spec)
	if err != nil {
		return Search{}, err
	}
	r.Key = key
	if err := s.reserve(); err != nil {
		return Search{}, err
	}
	defer s.runners.Done()
	return s.put(ctx, r)
}

// put stores a search that is about to begin, and queues it. Its place is reserved.
func (s *Service) put(ctx context.Context, r record) (Search, error) {
	// A store that is out of reach is the caller's to know, not to wait for. The
	// claim goes first: whoever finds a search without one would continue it.
	claim, err := s.claim(ctx, r.ID)
	if err == nil {
		if err = s.keeper.under(claim).put(ctx, r); err != nil {
			s.letGo(claim, true)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned--
	if err != nil {
		return Search{}, err
	}
	x := newRunner(s.ctx, s, r, nil, claim)
	s.log.Info("search is queued", "search", r.ID, "task", r.Spec.Task, "parameters", len(r.Parameters))
	s.enqueue(x)
	return x.look(), nil
}

// reserve takes a place in the queue for a search that is about to be stored, and
// has Stop wait for it.
func (s *Service) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopping
	}
	free := s.maxConcurrent - s.running // those who get a place at once don't wait
	if waiting := len(s.queue) + s.planned - free; waiting >= s.queueLimit {
		return fault.New(fault.Busy, "%d searches are waiting already", waiting)
	}
	s.planned++
	s.runners.Add(1)
	return nil
}

// plan checks all that can be checked before a search begins, and writes down
// how it begins.
func (s *Service) plan(ctx context.Context, spec Spec) (record, error) {
	spec = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		return record{}, err
	}
	var digests []string
	for _, name := range spec.taskNames() {
		t, err := s.tasks.Get(ctx, name)
		if err != nil {
			return record{}, err
		}
		for _, split := range task.Splits() {
			if t.Count(split) == 0 {
				return record{}, fault.Bad("task", "task %q has no %s problems: a search needs search, validation and test problems", t.Name, split)
			}
		}
		if n := t.Count(task.Search); spec.SampleSize > n {
			return record{}, fault.Bad("sample_size", "the task %q has %d search problems, not %d", t.Name, n, spec.SampleSize)
		}
		digests = append(digests, t.Digest)
	}
	spec, in, err := spec.settle(ctx, s.lab)
	if err != nil {
		return record{}, err
	}
	depths, err := depthsOf(ctx, s.lab, spec, in)
	if err != nil {
		return record{}, err
	}
	if spec.Alias != "" { // known now, and not after the whole budget is spent
		if err := s.lab.CheckAlias(ctx, spec.Alias); err != nil {
			return record{}, err
		}
	}
	if spec.Then != nil { // what is wrong with it is known now, and not after hours
		if _, err := s.plan(ctx, spec.Then.after(spec.Base)); err != nil {
			return record{}, within("then", err)
		}
	}
	space, err := newSpace(spec, depths, in)
	if err != nil {
		return record{}, err
	}
	opt, err := spec.optimizer(space)
	if err != nil {
		return record{}, err
	}
	spec.Population = opt.Population()
	now := s.keeper.now()
	r := record{
		Search: Search{
			ID: newID(), State: Queued, Spec: spec, Parameters: space.Parameters(),
			CreatedAt: now, Progress: Progress{Sigma: opt.Sigma()}, LastEvent: 1,
		},
		Layers: depths[0], TaskDigest: digests[0], OtherDigests: digests[1:], Optimizer: opt,
		Milestones: []Event{{Number: 1, At: now, Type: StateChanged, State: Queued}},
	}
	r.Inputs = in
	if spec.Path != nil {
		r.Depths = depths
	}
	return r, nil
}

// depthsOf checks that the models of a spec are there and fit, and gives their
// numbers of blocks, as [NewSpace] wants them.
func depthsOf(ctx context.Context, lab Lab, spec Spec, in inputs) ([]int, error) {
	layers, err := lab.Fit(ctx, in.in(spec.example()))
	if err != nil || spec.Path == nil {
		return []int{layers}, err
	}
	var depths []int
	for _, name := range spec.pathModels() {
		alone := merge.NewRecipe(merge.Linear)
		alone.Sources = []merge.Source{{Model: name, Weight: merge.Numbers(1)}}
		if layers, err = lab.Fit(ctx, in.in(alone)); err != nil {
			return nil, err
		}
		depths = append(depths, layers)
	}
	return depths, nil
}

// newID names a search.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "search-" + hex.EncodeToString(b[:])
}
