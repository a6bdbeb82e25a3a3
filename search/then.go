package search

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// WinnerName stands for the winner of a search in the one that follows it.
const WinnerName = "$winner"

// MaxStages is how many searches may follow each other.
const MaxStages = 4

// after is the spec of a search that follows another, whose winner has this name.
func (s Spec) after(winner string) Spec {
	if s.Base == WinnerName {
		s.Base = winner
	}
	if s.Vision == WinnerName {
		s.Vision = winner
	}
	s.Sources = slices.Clone(s.Sources)
	for i, name := range s.Sources {
		if name == WinnerName {
			s.Sources[i] = winner
		}
	}
	return s
}

// validateThen checks the search that follows, as if the base had won: a winner is
// of the base's shape.
func (s Spec) validateThen() error {
	if s.Then == nil {
		return nil
	}
	stages := 1
	for then := s.Then; then != nil; then = then.Then {
		if stages++; stages > MaxStages {
			return fault.Bad("", "a search of more than %d stages", MaxStages)
		}
	}
	if s.Then.Base != WinnerName && !slices.Contains(s.Then.Sources, WinnerName) {
		return fault.Bad("sources", "a search that follows another has its winner among its models, as %q", WinnerName)
	}
	return s.Then.after(s.Base).Validate()
}

// nextID names the search that follows another: the same whenever it is asked.
func nextID(id string) string {
	sum := sha256.Sum256([]byte(id + " then"))
	return "search-" + hex.EncodeToString(sum[:8])
}

// launchNext launches the search that follows one that has found its winner. To
// do it again changes nothing. It waits for no place in the queue: it was accepted
// with the first.
func (s *Service) launchNext(ctx context.Context, done Search) (id string, err error) {
	id = nextID(done.ID)
	switch _, err := s.keeper.store.GetSearch(ctx, id); {
	case err == nil:
		return id, nil // before the process was killed
	case fault.CodeOf(err) != fault.NotFound:
		return "", err
	}
	r, err := s.plan(ctx, done.Spec.Then.after(done.Winner.Model))
	if err != nil {
		return "", err
	}
	r.ID, r.Previous, r.Key = id, done.ID, done.Key
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return "", errStopping
	}
	s.planned++
	s.runners.Add(1)
	s.mu.Unlock()
	defer s.runners.Done()
	_, err = s.put(ctx, r)
	return id, err
}

// goOn launches the search that follows, if there is one. What goes wrong with it
// is told, and takes nothing from what was found.
func (x *runner) goOn(ctx context.Context) error {
	if x.record.Spec.Then == nil || x.record.Next != "" {
		return nil
	}
	var id string
	err := x.keeper.repeat(ctx, "launch the search that follows", func() error {
		return x.guarded(func() (err error) { id, err = x.launchNext(ctx, x.record.Search); return err })
	}, func(attempts int, err error) bool { return temporary(err) && attempts < patience })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		x.log.Error("the search that follows can't begin", "error", err)
		x.record.NextFailure = err.Error()
		return nil
	}
	x.record.Next = id
	return nil // saved on entering the next state
}
