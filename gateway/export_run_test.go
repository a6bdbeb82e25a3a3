package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// leave puts there what an export that was cut off leaves.
func (e *exporter) leave(folder, note string) string {
	e.t.Helper()
	dir := filepath.Join(e.dir, "."+folder+".mergeway-export")
	require.NoError(e.t, os.MkdirAll(dir, 0o755))
	state := `{"plan": "p", "files": {}}`
	if note != "" {
		state = `{"plan": "p", "note": ` + note + `, "files": {}}`
	}
	require.NoError(e.t, os.WriteFile(filepath.Join(dir, ".mergeway_export_state.json"), []byte(state), 0o644))
	return dir
}

func TestAnExportIsCancelled(t *testing.T) {
	e := newExporter(t)
	var begun, got Export
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
	<-e.seen
	dir := e.leave("x", "") // of one before, that this one did not get to
	for range 2 {
		r := e.send("POST", "/v1/exports/"+begun.ID+"/cancel", "")
		require.Equal(t, 200, r.status, r.body)
		r.into(t, &got)
		require.Equal(t, ExportCancelled, got.State)
		require.Nil(t, got.Error)
		require.NotZero(t, got.Finished)
		require.NoDirExists(t, dir)
	}
	require.ErrorIs(t, <-e.why, errExportCancelled)

	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
	e.end <- nil
	e.await(begun.ID, ExportCompleted)
	e.send("POST", "/v1/exports/"+begun.ID+"/cancel", "").requireError(t, 409, "conflict", "")
}

func TestWhatAFailedExportHasLeftIsRemovedWhenItIsCancelled(t *testing.T) {
	e := newExporter(t)
	var begun, got Export
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x"}`).into(t, &begun)
	dir := e.leave("x", `{"id": "export-1"}`)
	e.end <- fault.New(fault.Unavailable, "the disk is full")
	e.await(begun.ID, ExportFailed)
	left, err := merge.LeftExports(e.dir)
	require.NoError(t, err)
	require.Empty(t, left, "nobody goes on with it who isn't asked to")
	require.DirExists(t, dir)
	e.send("POST", "/v1/exports/"+begun.ID+"/cancel", "").into(t, &got)
	require.Equal(t, ExportCancelled, got.State)
	require.Equal(t, "the disk is full", got.Error.Message)
	require.NoDirExists(t, dir)
}

// A server that starts goes on with what was cut off, under the same ids.
func TestExportsGoOnAtTheNextStart(t *testing.T) {
	e := newExporter(t)
	var begun Export
	e.send("POST", "/v1/recipes/recipe-00/export", `{"folder": "x", "force": true}`).into(t, &begun)
	note := (<-e.seen).Note
	e.gateway.Drain()
	e.await(begun.ID, ExportSuspended)

	next := newExporter(t)
	next.leave("x", string(note))
	lost := next.leave("lost", `{"id": "export-2", "recipe": "none", "folder": "lost"}`)
	strange := next.leave("strange", `{"id": "export-3", "recipe": "recipe-00", "folder": "elsewhere"}`)
	later := next.leave("y", `{"id": "export-4", "recipe": "recipe-00", "folder": "y", "created": 7}`)
	garbage := next.leave("z", `"x"`)
	require.NoError(t, next.gateway.ContinueExports(t.Context()))
	o := <-next.seen
	require.Equal(t, filepath.Join(next.dir, "x"), o.Dir)
	require.True(t, o.Replace)
	require.JSONEq(t, string(note), string(o.Note))
	running := next.await(begun.ID, ExportRunning)
	require.Equal(t, begun, running)
	require.NoDirExists(t, lost, "its recipe is gone")
	require.DirExists(t, strange)
	require.DirExists(t, garbage)
	require.DirExists(t, later, "one runs at a time: it can be asked for again")
	next.end <- nil
	next.await(begun.ID, ExportCompleted)
	require.NoError(t, next.gateway.ContinueExports(t.Context()))
	require.Equal(t, ExportCompleted, next.await(begun.ID, ExportCompleted).State, "it is not begun twice")

	require.NoError(t, newBench(t).gateway.ContinueExports(t.Context()), "a server that exports nothing")
	require.True(t, json.Valid(note))
}
