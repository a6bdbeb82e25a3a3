package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// fakeCatalog writes down what it is asked, and fails where it is told to.
type fakeCatalog struct {
	calls []string
	fails map[string]error // by the first word of the call
}

func (c *fakeCatalog) call(what, name string) error {
	c.calls = append(c.calls, what+" "+name)
	return c.fails[what]
}

func (*fakeCatalog) Expand(_ context.Context, r merge.Recipe) (merge.Recipe, error) {
	return r, nil
}

func (c *fakeCatalog) Fit(context.Context, merge.Recipe) (checkpoint.Config, error) {
	return checkpoint.Config{NumHiddenLayers: 6}, c.call("fit", "")
}

func (c *fakeCatalog) Merge(context.Context, merge.Recipe) (*catalog.Lease, error) {
	return &catalog.Lease{}, c.call("merge", "")
}

func (c *fakeCatalog) Acquire(_ context.Context, name string) (*catalog.Lease, error) {
	return &catalog.Lease{}, c.call("acquire", name)
}

func (c *fakeCatalog) PutRecipe(_ context.Context, name string, _ merge.Recipe) (store.Recipe, error) {
	return store.Recipe{ID: "recipe-1"}, c.call("put", name)
}

func (c *fakeCatalog) CheckAlias(_ context.Context, alias string) error {
	return c.call("check", alias)
}

func (c *fakeCatalog) SetAlias(_ context.Context, alias, target string, _ ...catalog.Condition) (store.Alias, error) {
	return store.Alias{}, c.call("alias", alias+" "+target)
}

func TestTheAliasIsSetOnlyAfterTheWinnerCouldBeAcquired(t *testing.T) {
	full := fault.New(fault.OutOfMemory, "no room")
	for name, c := range map[string]struct {
		alias string
		fails map[string]error
		calls []string
	}{
		"all goes well":      {"best", nil, []string{"put better", "acquire recipe-1", "alias best recipe-1"}},
		"without an alias":   {"", nil, []string{"put better", "acquire recipe-1"}},
		"it can't be stored": {"best", map[string]error{"put": full}, []string{"put better"}},
		"it can't be made":   {"best", map[string]error{"acquire": full}, []string{"put better", "acquire recipe-1"}},
		"the alias is taken": {"best", map[string]error{"alias": full}, []string{"put better", "acquire recipe-1", "alias best recipe-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := &fakeCatalog{fails: c.fails}
			id, err := NewCatalogLab(fake, nil).Publish(t.Context(), "better", small().average(), c.alias)
			require.Equal(t, c.calls, fake.calls)
			if c.fails != nil {
				require.ErrorIs(t, err, full)
				require.Empty(t, id)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "recipe-1", id)
		})
	}
}

func TestACatalogLabPassesOnWhatIsWrongWithModels(t *testing.T) {
	unfit := fault.New(fault.Unfit, "shapes differ")
	fake := &fakeCatalog{fails: map[string]error{"merge": unfit, "acquire": unfit}}
	lab := NewCatalogLab(fake, nil)
	_, err := lab.Evaluate(t.Context(), small().average(), &task.Task{}, nil)
	require.ErrorIs(t, err, unfit)
	_, err = lab.EvaluateModel(t.Context(), "ja", &task.Task{}, nil)
	require.ErrorIs(t, err, unfit)
	require.Equal(t, []string{"merge ", "acquire ja"}, fake.calls)

	layers, err := lab.Fit(t.Context(), small().average())
	require.NoError(t, err)
	require.Equal(t, 6, layers)
}

func TestATakenAliasIsTheSpecsFault(t *testing.T) {
	taken := fault.New(fault.Conflict, "there is a source called best")
	lab := NewCatalogLab(&fakeCatalog{fails: map[string]error{"check": taken}}, nil)
	var f *fault.Error
	require.ErrorAs(t, lab.CheckAlias(t.Context(), "best"), &f)
	require.Equal(t, fault.Error{Code: fault.Conflict, Param: "alias", Message: taken.Message}, *f)
	require.NoError(t, NewCatalogLab(&fakeCatalog{}, nil).CheckAlias(t.Context(), "best"))
}

func TestLaunchRefusesAnAliasThatIsTaken(t *testing.T) {
	w := newWorld(t)
	_, err := w.Launch(t.Context(), small(func(s *Spec) { s.Alias = "stranger" }))
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all, "nothing was stored")
}
