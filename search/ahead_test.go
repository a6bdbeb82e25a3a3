package search

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// wide makes a lab try several candidates at once, each for a time of its own.
func wide(l *fakeLab, width int) (most func() int) {
	var mu sync.Mutex
	running, peak := 0, 0
	l.width = width
	l.hook(func(_ context.Context, q question) error {
		mu.Lock()
		running++
		peak = max(peak, running)
		mu.Unlock()
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return peak
	}
}

func TestCandidatesThatAreTriedAtOnceAreTheSame(t *testing.T) {
	for name, spec := range map[string]Spec{
		"whole generations":                small(),
		"more places than candidates":      small(func(s *Spec) { s.Population = 2 }),
		"a budget inside a generation":     small(func(s *Spec) { s.Trials = 14 }),
		"problems anew in each generation": small(func(s *Spec) { s.SampleSize = 7 }),
	} {
		t.Run(name, func(t *testing.T) {
			want := reference(t, spec)
			w := newWorld(t)
			most := wide(w.lab, 3)
			id := w.launch(t, spec)
			w.done(t, id)
			sameJSON(t, want, w.found(t, id))
			require.Equal(t, min(3, spec.Population), most())
			requireAskedOnce(t, w.lab.questions(""), 0)
		})
	}
}

func TestAStoppedSearchWithSeveralCandidatesUnderWayGoesOn(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.lab.width = 3
			id := w.launchUntil(t, small(), at.split, at.n)
			require.NoError(t, w.Stop(patient(t)))
			w = w.reopen(t)
			w.done(t, id)
			sameJSON(t, want, w.found(t, id))
			requireAskedOnce(t, w.lab.questions(""), small().Population)
		})
	}
}

// What fails fails alone.
func TestOneOfSeveralCandidatesFails(t *testing.T) {
	fails := func(l *fakeLab) func(context.Context, question) error {
		return func(_ context.Context, q question) error {
			if q.split == task.Search && len(q.recipe)%3 == 0 {
				return fault.New(fault.Damaged, "a source is broken")
			}
			return nil
		}
	}
	w := newWorld(t)
	w.lab.hook(fails(w.lab))
	id := w.launch(t, small())
	w.done(t, id)
	want := w.found(t, id)

	several := newWorld(t)
	several.lab.width = 4
	several.lab.hook(fails(several.lab))
	id = several.launch(t, small())
	several.done(t, id)
	sameJSON(t, want, several.found(t, id))
}
