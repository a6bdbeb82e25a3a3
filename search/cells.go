package search

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/elites"
)

// Cell is a trial that is the best of its kind: what an archive holds.
type Cell struct {
	// Objective names the archive by what is its quality.
	Objective string `json:"objective"`
	// Bins says what kind it is: by objective the bin that the value is in; -1 at
	// the archive's own.
	Bins []int `json:"bins"`
	// Trial is the candidate, with its genome, recipe and scores.
	Trial Trial `json:"trial"`
}

// archiver is an [Optimizer] whose result is not one candidate.
type archiver interface {
	// Archives lists the cells of each archive, that of objective k at index k.
	Archives() [][]elites.Cell
}

// Cells gives the archives of a search by map_elites or cycle_qd, as of the last
// generation: archive by archive, in the order of the bins. It is a fault.Conflict
// for a search that keeps none.
func (s *Service) Cells(ctx context.Context, id string) ([]Cell, error) {
	r, trials, err := s.keeper.loadAll(ctx, id)
	if err != nil {
		return nil, err
	}
	a, ok := r.Optimizer.(archiver)
	if !ok {
		return nil, fault.New(fault.Conflict, "search %s keeps no archive: %s does, and %s", id, MAPElites, CycleQD)
	}
	byNumber := make(map[int]Trial, len(trials))
	for _, t := range trials {
		byNumber[t.Number] = t
	}
	var cells []Cell
	for k, archive := range a.Archives() {
		for _, c := range archive {
			cells = append(cells, Cell{Objective: r.Spec.objectives()[k].Name, Bins: c.Bins, Trial: byNumber[c.Number]})
		}
	}
	return cells, nil
}
