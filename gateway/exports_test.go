package gateway

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// exporter is a bench with a stored recipe and a folder for exports. Its exports
// wait until they are let go, or end with their context.
type exporter struct {
	*bench
	dir  string
	seen chan catalog.ExportOptions
	end  chan error
	why  chan error // their contexts ended
}

func newExporter(t *testing.T, change ...func(*Options)) *exporter {
	t.Helper()
	e := &exporter{dir: t.TempDir(), seen: make(chan catalog.ExportOptions, 10), end: make(chan error), why: make(chan error, 10)}
	e.bench = newBench(t, append([]func(*Options){func(o *Options) { o.ExportsDir = e.dir }}, change...)...)
	e.catalog.export = func(ctx context.Context, _ string, o catalog.ExportOptions) error {
		e.seen <- o
		select {
		case err := <-e.end:
			return err
		case <-ctx.Done():
			e.why <- context.Cause(ctx)
			return fault.Wrap(ctx.Err(), fault.Cancelled, "merge")
		}
	}
	require.Equal(t, 201, e.send("POST", "/v1/recipes", recipe).status)
	t.Cleanup(e.gateway.Drain)
	return e
}

// await asks for an export until it has a state.
func (e *exporter) await(id string, state ExportState) Export {
	e.t.Helper()
	var got Export
	require.Eventually(e.t, func() bool {
		e.send("GET", "/v1/exports/"+id, "").into(e.t, &got)
		return got.State == state
	}, 10*time.Second, time.Millisecond)
	return got
}

func TestARecipeIsExported(t *testing.T) {
	e := newExporter(t)
	r := e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "winner-v1"}`)
	require.Equal(t, 202, r.status, r.body)
	require.Contains(t, r.body, `"error":null`)
	var begun Export
	r.into(t, &begun)
	require.Equal(t, "/v1/exports/"+begun.ID, r.header.Get("Location"))
	require.Equal(t, Export{ID: begun.ID, Object: "export", Recipe: "recipe-00", Folder: "winner-v1", State: ExportRunning, Created: begun.Created}, begun)

	o := <-e.seen
	require.Equal(t, filepath.Join(e.dir, "winner-v1"), o.Dir)
	require.False(t, o.Replace)
	require.Empty(t, o.Scores)
	o.Progress(30, 100)
	running := e.await(begun.ID, ExportRunning)
	require.Equal(t, []int64{30, 100}, []int64{running.Bytes, running.TotalBytes})

	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "another"}`).requireError(t, 429, "busy", "")
	o.Progress(100, 100)
	e.end <- nil
	done := e.await(begun.ID, ExportCompleted)
	require.Nil(t, done.Error)
	require.NotZero(t, done.Finished)
	require.Equal(t, int64(100), done.Bytes)

	require.Equal(t, 202, e.send("POST", "/v1/recipes/sha256:00/export", `{"folder": "another", "force": true}`).status, "by its digest")
	require.True(t, (<-e.seen).Replace)
	var all ExportList
	e.send("GET", "/v1/exports", "").into(t, &all)
	require.Len(t, all.Data, 2)
	require.Equal(t, "another", all.Data[0].Folder, "the latest first")
}

func TestAnExportTellsWhyItFailed(t *testing.T) {
	for _, c := range []struct {
		name, code, message string
		err                 error
	}{
		{"sources have changed", "conflict", "the sources have changed", fault.New(fault.Conflict, "the sources have changed")},
		{"no memory", "out_of_memory", "no room", fault.New(fault.OutOfMemory, "no room")},
		{"a path", "unavailable", "the disk is full", fault.Wrap(os.ErrPermission, fault.Unavailable, "the disk is full")},
		{"ours", "internal", "the server's log", os.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newExporter(t)
			var begun Export
			e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
			e.end <- c.err
			failed := e.await(begun.ID, ExportFailed)
			require.Equal(t, c.code, failed.Error.Code)
			require.Contains(t, failed.Error.Message, c.message)
			require.NotContains(t, failed.Error.Message, "permission")
			require.Equal(t, 202, e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).status, "it is not in the way")
		})
	}
}

func TestAnExportThatPanicsHasFailed(t *testing.T) {
	e := newExporter(t)
	e.catalog.export = func(context.Context, string, catalog.ExportOptions) error { panic("a graph that breaks") }
	var begun Export
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
	require.Equal(t, "internal", e.await(begun.ID, ExportFailed).Error.Code)
}

func TestAnExportOutlivesItsClientAndIsSuspendedWithTheServer(t *testing.T) {
	e := newExporter(t)
	var begun Export
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
	<-e.seen
	e.CloseClientConnections()
	require.Equal(t, ExportRunning, e.await(begun.ID, ExportRunning).State)
	e.gateway.Drain()
	require.Equal(t, "the server is shutting down", e.await(begun.ID, ExportSuspended).Error.Message)
	require.ErrorIs(t, <-e.why, merge.ErrSuspended)
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "y"}`).requireError(t, 503, "unavailable", "")
	e.send("POST", "/v1/exports/"+begun.ID+"/cancel", "").requireError(t, 409, "conflict", "")
}

func TestExportsThatAreRefused(t *testing.T) {
	e := newExporter(t)
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "precious"), 0o755))
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(e.dir, "elsewhere")))
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "exported"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(e.dir, "exported", merge.RecipeFile), nil, 0o644))
	const at = "/v1/recipes/recipe-00/export"
	for _, c := range []struct {
		name, path, body string
		status           int
		code, param      string
	}{
		{"no folder", at, `{}`, 400, "invalid", "folder"},
		{"a path", at, `{"folder": "a/b"}`, 400, "invalid", "folder"},
		{"the folder above", at, `{"folder": ".."}`, 400, "invalid", "folder"},
		{"an absolute path", at, `{"folder": "/etc"}`, 400, "invalid", "folder"},
		{"a hidden folder", at, `{"folder": ".x"}`, 400, "invalid", "folder"},
		{"a zero byte", at, `{"folder": "a\u0000b"}`, 400, "invalid", "folder"},
		{"a long name", at, `{"folder": "` + strings.Repeat("a", 257) + `"}`, 400, "invalid", "folder"},
		{"a number", at, `{"folder": 7}`, 400, "invalid", "folder"},
		{"an unknown field", at, `{"folder": "x", "colour": "red"}`, 400, "invalid", "colour"},
		{"no body", at, `[]`, 400, "invalid", ""},
		{"somebody's folder", at, `{"folder": "precious", "force": true}`, 409, "conflict", "folder"},
		{"a link", at, `{"folder": "elsewhere", "force": true}`, 409, "conflict", "folder"},
		{"an export, without force", at, `{"folder": "exported"}`, 409, "conflict", "folder"},
		{"no such recipe", "/v1/recipes/none/export", `{"folder": "x"}`, 404, "not_found", ""},
		{"another action", "/v1/recipes/recipe-00/import", `{"folder": "x"}`, 404, "route_not_found", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.send("POST", c.path, c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	e.send("GET", "/v1/exports/export-none", "").requireError(t, 404, "not_found", "")
	e.send("POST", "/v1/exports/export-none/cancel", "").requireError(t, 404, "not_found", "")
	require.Contains(t, e.send("GET", "/v1/exports", "").body, `"data":[]`)

	off := newBench(t)
	off.send("POST", at, `{"folder": "x"}`).requireError(t, 404, "route_not_found", "")
}

func TestExportsAreLimited(t *testing.T) {
	e := newExporter(t, func(o *Options) { o.Limits.Exports, o.Limits.KeptExports = 2, 3 })
	begin := func() string {
		var begun Export
		r := e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`)
		require.Equal(t, 202, r.status, r.body)
		r.into(t, &begun)
		return begun.ID
	}
	first := begin()
	begin()
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).requireError(t, 429, "busy", "")
	e.end <- nil
	e.end <- nil
	e.await(first, ExportCompleted)
	for range 3 {
		var all ExportList
		require.Eventually(t, func() bool { // the others have ended
			e.send("GET", "/v1/exports", "").into(t, &all)
			return !strings.Contains(e.send("GET", "/v1/exports", "").body, `"running"`)
		}, 10*time.Second, time.Millisecond)
		id := begin()
		e.end <- nil
		e.await(id, ExportCompleted)
	}
	e.send("GET", "/v1/exports/"+first, "").requireError(t, 404, "not_found", "")
	var all ExportList
	e.send("GET", "/v1/exports", "").into(t, &all)
	require.Len(t, all.Data, 3)
}

func TestAnExportsCardHasTheScores(t *testing.T) {
	e := newExporter(t)
	r, err := merge.ParseRecipe([]byte(recipe))
	require.NoError(t, err)
	e.searches.search.Spec.Task = "ja-math"
	e.searches.search.Winner = &search.Winner{Recipe: r, Validation: &task.Score{Problems: 50, Accuracy: 0.8, StdErr: 0.06}, Test: &task.Score{Problems: 400, Accuracy: 0.7, StdErr: 0.02}}
	require.Equal(t, 202, e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).status)
	require.Equal(t, []merge.CardScore{
		{Task: "ja-math", Split: "validation", Problems: 50, Accuracy: 0.8, StdErr: 0.06},
		{Task: "ja-math", Split: "test", Problems: 400, Accuracy: 0.7, StdErr: 0.02},
	}, (<-e.seen).Scores)
}
