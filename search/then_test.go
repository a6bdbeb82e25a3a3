package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// chained is a search of weights, and then one of paths between its winner and a
// source.
func chained() Spec {
	return small(func(s *Spec) {
		s.Then = &Spec{Name: "way", Task: "sums", Base: WinnerName, Sources: []string{"ja"}, Path: &PathSpec{Repeats: 1, Scales: NoScales}, Trials: 6, Population: 3, ValidateTop: 1}
	})
}

func TestASearchFollowsAnother(t *testing.T) {
	w := newWorld(t)
	first := w.done(t, w.launch(t, chained()))
	require.NotEmpty(t, first.Next)
	second := w.done(t, first.Next)
	require.Equal(t, first.ID, second.Previous)
	require.Equal(t, first.Winner.Model, second.Spec.Base)
	require.Equal(t, merge.Dataflow, second.Winner.Recipe.Method)
	require.Equal(t, first.Winner.Model, second.Winner.Recipe.Base)
	require.Len(t, w.tried(t, second.ID), 6)
	require.Equal(t, "way", second.Spec.Name)
	require.Empty(t, second.Key)
}

func TestWhatFollowsIsTheSameKeys(t *testing.T) {
	w := newWorld(t)
	first, err := w.LaunchFor(t.Context(), "key-1", chained())
	require.NoError(t, err)
	require.Equal(t, "key-1", first.Key)
	require.Equal(t, "key-1", w.done(t, w.done(t, first.ID).Next).Key)
}

func TestWhatFollowsBeginsOnce(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, chained(), task.Test, 5)
	require.NoError(t, w.Stop(patient(t)))
	w = w.reopen(t)
	w.done(t, id)
	again := w.find(nextID(id))
	if again != nil {
		w.done(t, nextID(id))
	}
	next, err := w.launchNext(t.Context(), w.done(t, id))
	require.NoError(t, err)
	require.Equal(t, nextID(id), next)
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
}

func TestWhatCannotFollowTakesNothingAway(t *testing.T) {
	w := newWorld(t)
	w.lab.gone = func(name string) bool { return len(w.lab.publications()) > 0 && name == "ja" }
	s := w.done(t, w.launch(t, chained()))
	require.Empty(t, s.Next)
	require.Contains(t, s.NextFailure, "ja")
	require.NotEmpty(t, s.Winner.Model)
}

func TestACancelledSearchIsFollowedByNothing(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, chained(), task.Search, 3)
	require.NoError(t, w.Cancel(patient(t), id))
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestWhatFollowsIsChecked(t *testing.T) {
	cases := []struct {
		name  string
		spec  func(*Spec)
		param string
	}{
		{"no winner", func(s *Spec) { s.Then.Base = "base" }, "then.sources"},
		{"a wrong field", func(s *Spec) { s.Then.Path.Repeats = -1 }, "then.path.repeats"},
		{"too many", func(s *Spec) {
			for then := s.Then; then != nil; {
				next := *s.Then
				next.Then = nil
				then.Then = &next
				if then = then.Then; stages(*s) > MaxStages {
					break
				}
			}
		}, "then"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spec := chained()
			c.spec(&spec)
			var f *fault.Error
			require.ErrorAs(t, spec.Validate(), &f)
			require.Equal(t, c.param, f.Param)
		})
	}
	w := newWorld(t)
	spec := chained()
	spec.Then.Sources = []string{"stranger"}
	_, err := w.Launch(t.Context(), spec)
	require.Equal(t, fault.NotFound, fault.CodeOf(err), "known before anything is spent")

	parsed, err := ParseSpec([]byte(`{"task": "t", "base": "b", "sources": ["s"], "then": {"task": "t", "base": "$winner", "sources": ["s"], "path": {"repeats": 2}}}`))
	require.NoError(t, err)
	require.Equal(t, WinnerName, parsed.Then.Base)
	_, err = ParseSpec([]byte(`{"task": "t", "base": "b", "sources": ["s"], "then": {"task": "t", "base": "$winner", "sorces": ["s"]}}`))
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "then.sorces", f.Param)
}

func stages(s Spec) int {
	n := 1
	for then := s.Then; then != nil; then = then.Then {
		n++
	}
	return n
}
