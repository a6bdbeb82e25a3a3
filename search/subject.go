package search

import (
	"context"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/search/task"
)

// Subject is a model that a CatalogLab holds while it answers, however its alias
// moves meanwhile.
type Subject struct {
	lab   *CatalogLab
	lease *catalog.Lease
}

// Open gets hold of a model that has a name.
func (l *CatalogLab) Open(ctx context.Context, name string) (*Subject, error) {
	lease, err := l.catalog.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Subject{lab: l, lease: lease}, nil
}

// ID is the model's: that of what an alias stood for when it was opened.
func (s *Subject) ID() string {
	if s.lease.Entry.Kind == catalog.Alias {
		return s.lease.Entry.Target
	}
	return s.lease.Entry.ID
}

// Answer gives the verdicts on the model's replies to problems, in their order.
func (s *Subject) Answer(ctx context.Context, t *task.Task, problems []task.Problem) ([]task.Outcome, error) {
	return s.lab.answer(ctx, s.lease.Model, t, problems)
}

// Close lets go of the model.
func (s *Subject) Close() { s.lease.Release() }
