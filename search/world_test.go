package search

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// The sizes of the task that searches are tested with.
const (
	searchProblems     = 20
	validationProblems = 12
	testProblems       = 10
)

// world is a service with all that it needs.
type world struct {
	*Service
	lab   *fakeLab
	store *flakyStore
	bolt  *store.Bolt
	path  string // of the bolt file
	tasks string // the folder
}

// newWorld makes a service over a new store and lets it start.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	dir := t.TempDir()
	return openWorld(t, filepath.Join(dir, "state.db"), writeTask(t, dir), newFakeLab(), change...)
}

// openWorld makes a service over a store that may be there already, and starts
// it.
func openWorld(t *testing.T, path, tasks string, lab *fakeLab, change ...func(*Options)) *world {
	t.Helper()
	w := idleWorld(t, path, tasks, lab, change...)
	require.NoError(t, w.Start(t.Context()))
	return w
}

// idleWorld makes a service that isn't started yet.
func idleWorld(t *testing.T, path, tasks string, lab *fakeLab, change ...func(*Options)) *world {
	t.Helper()
	bolt, err := store.OpenBolt(path)
	require.NoError(t, err)
	w := &world{lab: lab, store: &flakyStore{Store: bolt}, bolt: bolt, path: path, tasks: tasks}
	o := Options{
		Store: w.store, Lab: lab, Tasks: task.NewLibrary(tasks, task.Loader{}),
		Logger: slog.New(slog.DiscardHandler), RetryDelay: time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	w.Service, err = NewService(o)
	require.NoError(t, err)
	t.Cleanup(func() { w.shut(t) })
	return w
}

// shut stops the service and closes the store, as the end of a process does.
func (w *world) shut(t *testing.T) {
	t.Helper()
	require.NoError(t, w.Stop(patient(t)))
	require.NoError(t, w.bolt.Close())
}

// reopen shuts the world and makes another of the same store and lab.
func (w *world) reopen(t *testing.T) *world {
	t.Helper()
	w.shut(t)
	w.lab.hook(nil)
	return openWorld(t, w.path, w.tasks, w.lab)
}

// patient is a context for what has to happen, but may take its time.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await waits for a signal.
func await(t *testing.T, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
	case <-patient(t).Done():
		require.FailNow(t, "what was waited for didn't happen")
	}
}

// writeTask writes the tasks "sums" and "words" below dir, and gives the folder of
// tasks. Problem n of a split has the answer n.
func writeTask(t *testing.T, dir string) string {
	t.Helper()
	tasks := filepath.Join(dir, "tasks")
	for name, mark := range map[string]string{"sums": "", "words": wordsMark} {
		writeOneTask(t, filepath.Join(tasks, name), name, mark)
	}
	return tasks
}

// wordsMark is in the ids of the problems of the task "words".
const wordsMark = "w"

func writeOneTask(t *testing.T, folder, name, mark string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	files := map[string]string{"task.yaml": "name: " + name + "\n"}
	for split, n := range map[task.Split]int{task.Search: searchProblems, task.Validation: validationProblems, task.Test: testProblems} {
		var lines strings.Builder
		for i := range n {
			fmt.Fprintf(&lines, `{"id":"%c%s%d","question":"%s %s%d","answer":"%d"}`+"\n", split[0], mark, i, split, mark, i, i)
		}
		files[string(split)+".jsonl"] = lines.String()
	}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
}

// small is a search of five generations of four, over two weights.
func small(change ...func(*Spec)) Spec {
	s := Spec{
		Name: "better", Task: "sums", Base: "base", Sources: []string{"ja", "math"},
		Groups: merge.WholeModel, Population: 4, Trials: 20, Seed: 7, ValidateTop: 3, Alias: "best",
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

// launch begins a search.
func (w *world) launch(t *testing.T, spec Spec) string {
	t.Helper()
	s, err := w.Launch(t.Context(), spec)
	require.NoError(t, err)
	return s.ID
}

// listen reads the events of a search to the end of the stream.
func (w *world) listen(t *testing.T, id string, after int) []Event {
	t.Helper()
	ctx := patient(t)
	stream, err := w.Events(ctx, id, after)
	require.NoError(t, err)
	var all []Event
	for e := range stream {
		all = append(all, e)
	}
	require.NoError(t, ctx.Err(), "the stream has to end by itself")
	return all
}

// drained is closed when a stream has ended.
func drained(stream <-chan Event) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range stream {
		}
	}()
	return ended
}

// finish waits until a search has ended, and gives it.
func (w *world) finish(t *testing.T, id string) Search {
	t.Helper()
	w.listen(t, id, 0)
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	return s
}

// done waits for a search that has to succeed.
func (w *world) done(t *testing.T, id string) Search {
	t.Helper()
	s := w.finish(t, id)
	require.Equal(t, Done, s.State, s.Reason)
	return s
}

// tried gives the trials of a search.
func (w *world) tried(t *testing.T, id string) []Trial {
	t.Helper()
	trials, err := w.Trials(t.Context(), id)
	require.NoError(t, err)
	return trials
}

// timeless are trials without what an interruption may change: when they were
// made and told of.
func timeless(trials []Trial) []Trial {
	var same []Trial
	for _, t := range trials {
		t.At, t.MergeSeconds, t.AnswerSeconds, t.Event = time.Time{}, 0, 0, 0
		same = append(same, t)
	}
	return same
}

// result is what a search found out, without times, numbers and ids.
type result struct {
	Trials    []Trial
	Finalists []Finalist
	Scores    []Row
	Winner    *Winner
}

// found gives the result of a search.
func (w *world) found(t *testing.T, id string) result {
	t.Helper()
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	return result{timeless(w.tried(t, id)), s.Finalists, s.Scores, s.Winner}
}

// reference is the result of a search that nothing disturbed.
func reference(t *testing.T, spec Spec) result {
	t.Helper()
	w := newWorld(t)
	id := w.launch(t, spec)
	w.done(t, id)
	return w.found(t, id)
}

// sameJSON requires that two values look the same to a client.
func sameJSON(t *testing.T, want, got any) {
	t.Helper()
	a, err := json.Marshal(want)
	require.NoError(t, err)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(a), string(b))
}

// requireGapless requires that events are numbered from first without gaps.
func requireGapless(t *testing.T, events []Event, first int) {
	t.Helper()
	for i, e := range events {
		require.Equal(t, first+i, e.Number)
	}
}

// states are the states that events tell of.
func states(events []Event) []State {
	var all []State
	for _, e := range events {
		if e.Type == StateChanged {
			all = append(all, e.State)
		}
	}
	return all
}
