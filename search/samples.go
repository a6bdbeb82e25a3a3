package search

import (
	"context"
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// Samples gives the verdict on each problem that a trial of a search was scored
// on: those of an earlier trial where that stood in for it, and none if it failed.
func (s *Service) Samples(ctx context.Context, id string, number int) ([]task.Sample, error) {
	trials, err := s.Trials(ctx, id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(trials, func(t Trial) bool { return t.Number == number })
	if i < 0 {
		return nil, &fault.Error{Code: fault.NotFound, Param: "trial", Message: fmt.Sprintf("search %s has no trial %d yet", id, number)}
	}
	if original := trials[i].DuplicateOf; original != nil {
		number = *original
	}
	data, err := s.keeper.store.TrialSamples(ctx, id, number)
	if err != nil {
		return nil, err
	}
	return task.DecodeSamples(data)
}
