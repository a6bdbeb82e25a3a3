package catalog_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

func TestAModelIsMadeOnceHoweverManyAsk(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	models := make([]*infer.Model, 100)
	together(len(models), func(i int) {
		lease, err := w.Acquire(t.Context(), id)
		if assert.NoError(t, err) {
			models[i] = lease.Model
			lease.Release()
		}
	})
	for _, m := range models {
		require.Same(t, models[0], m)
	}
	require.EqualValues(t, 1, w.merger.merges.Load())
	_, used := w.Budget()
	require.Equal(t, 4*tinyBytes(), used, "base, a, b and the merge")
}

func TestWhoStopsWaitingLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t, func(w *world) { w.merger.gate = make(chan struct{}) })
	id := w.keep("", blend(0.5, 0.5))
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := w.Acquire(impatient, id); left <- err }()
	require.Eventually(t, func() bool { return w.merger.merges.Load() == 1 }, waitTime, pollTime)
	require.Equal(t, catalog.Loading, w.states()[id])
	got := make(chan *catalog.Lease)
	go func() {
		lease, err := w.Acquire(t.Context(), id)
		assert.NoError(t, err)
		got <- lease
	}()
	leave()
	err := <-left
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
	require.ErrorIs(t, err, context.Canceled)
	close(w.merger.gate)
	(<-got).Release()
	require.EqualValues(t, 1, w.merger.merges.Load())
}

func TestABrokenFolderIsToldApartAndCanBeMended(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		damage func(dir string)
		says   string
	}{
		{"config", func(dir string) { writeFile(t, dir+"/config.json", []byte(`{"model_type": "mistral",`)) }, "config.json"},
		{"architecture", func(dir string) { writeFile(t, dir+"/config.json", []byte(`{"model_type": "rwkv"}`)) }, "rwkv"},
		{"weights", func(dir string) { require.NoError(t, os.Truncate(dir+"/model.safetensors", 2000)) }, "model.safetensors: truncated"},
		{"no-weights", func(dir string) { require.NoError(t, os.Remove(dir+"/model.safetensors")) }, "model.safetensors"},
		{"tokenizer", func(dir string) { writeFile(t, dir+"/tokenizer.json", []byte(`[]`)) }, "tokenizer.json"},
		{"words", func(dir string) { writeTokenizer(t, dir, 25) }, "25 tokens"},
		{"template", func(dir string) { writeFile(t, dir+"/chat_template.jinja", []byte(`{% if %}`)) }, "template"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := w.path("broken-" + c.name)
			writeModel(t, dir, tinyConfig(), 4)
			c.damage(dir)
			_, err := w.Acquire(t.Context(), "broken-"+c.name)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Contains(t, f.Message, c.says)
			require.NotContains(t, f.Message, w.dir)
			e, err := w.Get(t.Context(), "broken-"+c.name)
			require.NoError(t, err)
			require.Equal(t, catalog.Failed, e.State)
			require.Equal(t, f.Message, e.Error)

			require.NoError(t, os.RemoveAll(dir))
			writeModel(t, dir, tinyConfig(), 4)
			w.touch("broken-"+c.name, "base")
			require.Equal(t, catalog.Ready, w.states()["broken-"+c.name])
		})
	}
}

func TestCloseWaitsForWhatIsBeingMade(t *testing.T) {
	w := newWorld(t, func(w *world) { w.merger.gate = make(chan struct{}) })
	id := w.keep("", blend(0.5, 0.5))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if lease, err := w.Acquire(t.Context(), id); err == nil {
			lease.Release()
		}
	}()
	require.Eventually(t, func() bool { return w.merger.merges.Load() == 1 }, waitTime, pollTime)
	closed := make(chan struct{})
	go func() { defer close(closed); w.Close() }()
	select {
	case <-closed:
		t.Fatal("closed while a merge was running")
	default:
	}
	close(w.merger.gate)
	<-answered
	<-closed
	_, err := w.Acquire(t.Context(), "base")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err), "%v", err)
}
