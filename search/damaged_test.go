package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

func TestASearchThatCanNotBeReadIsLeftAloneAndDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t)
	g := blockAt(task.Search, 6)
	w.lab.hook(g.before)
	good, trials := w.launch(t, small()), w.launch(t, small())
	await(t, g.reached)
	require.NoError(t, w.Stop(patient(t)))
	require.NoError(t, w.bolt.PutSearch(t.Context(), store.Search{ID: "search-odd", State: "running", Body: []byte(`{"state":7}`)}))
	require.NoError(t, w.bolt.PutTrials(t.Context(), trials, "", []store.Trial{{Number: 0, Body: []byte(`[]`)}}))

	w = w.reopen(t)
	w.done(t, good)
	all, err := w.List(t.Context())
	require.NoError(t, err)
	listed := map[string]State{}
	for _, s := range all {
		listed[s.ID] = s.State
	}
	require.Equal(t, map[string]State{good: Done, trials: Queued, "search-odd": Failed}, listed)
	_, err = w.Get(t.Context(), "search-odd")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	_, err = w.Trials(t.Context(), trials)
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	_, err = w.Events(t.Context(), trials, 0)
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}

// deepLab says that models have very many blocks.
type deepLab struct{ Lab }

func (deepLab) Fit(context.Context, merge.Recipe) (int, error) { return 1000, nil }

func TestLaunchRefusesMoreParametersThanCanBeSearched(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Lab = deepLab{o.Lab} })
	_, err := w.Launch(t.Context(), small(func(s *Spec) { s.Groups = merge.Blocks }))
	requireBad(t, err, "groups")
	require.ErrorContains(t, err, "2004 parameters")
}

func TestAStartThatIsNoRecipeIsRefused(t *testing.T) {
	w := newWorld(t)
	start := small().average()
	start.Sources[0].Weight = merge.Numbers(1e300)
	_, err := w.Launch(t.Context(), small(func(s *Spec) { s.Start = &start }))
	requireBad(t, err, "start.sources[0].weight")
}
