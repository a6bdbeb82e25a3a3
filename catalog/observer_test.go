package catalog_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
)

// diary is an Observer that writes down.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Made(kind catalog.Kind, _ time.Duration, err error) { d.note("made %s %v", kind, err) }
func (d *diary) Candidate(_ time.Duration, err error)               { d.note("candidate %v", err) }
func (d *diary) Unloaded()                                          { d.note("unloaded") }
func (d *diary) Swapped()                                           { d.note("swapped") }

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

func TestObserverHearsOfModels(t *testing.T) {
	d := &diary{}
	w := newWorld(t, func(w *world) { w.observer = d })
	id := w.keep("", blend(0.5, 0.5))
	lease, err := w.Acquire(t.Context(), id)
	require.NoError(t, err)
	lease.Release()
	require.ElementsMatch(t, []string{"made source <nil>", "made source <nil>", "made source <nil>", "made recipe <nil>"}, d.read())
	models, bytes := w.Resident()
	require.Equal(t, 4, models)
	require.Equal(t, 4*tinyBytes(), bytes)

	w.alias("best", id)
	w.alias("best", "a")
	require.Equal(t, []string{"swapped", "swapped"}, d.read())

	candidate, err := w.Merge(t.Context(), blend(0.25, 0.5))
	require.NoError(t, err)
	candidate.Release()
	w.merger.fail = func() error { return errors.New("no luck") }
	_, err = w.Merge(t.Context(), blend(0.5, 0.25))
	require.Error(t, err)
	require.Equal(t, []string{"candidate <nil>", "candidate no luck"}, d.read())

	_, err = w.Unload(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"unloaded"}, d.read())
	models, _ = w.Resident()
	require.Equal(t, 3, models)
}
