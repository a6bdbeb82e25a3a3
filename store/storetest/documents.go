package storetest

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// anything is data that is no text.
var anything = []byte("\x00\xff個\n\x80")

func documents(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		all, err := s.ListDocuments(t.Context(), "task")
		require.NoError(t, err)
		require.Equal(t, []store.Document{}, all)
		_, err = s.GetDocument(t.Context(), "task", "d")
		requireCode(t, fault.NotFound, err)
		require.ErrorContains(t, err, `task "d"`)
		_, err = s.DocumentData(t.Context(), "task", "d")
		requireCode(t, fault.NotFound, err)
		requireCode(t, fault.NotFound, s.DeleteDocument(t.Context(), "task", "d"))
	})
	t.Run("one comes back as it was put, its data apart", func(t *testing.T) {
		s := open(t)
		want := store.Document{Kind: "task", ID: "d", Body: []byte(`{"a":"個<&>"}`), CreatedAt: at(0), UpdatedAt: at(1)}
		d := want
		d.Data = anything
		require.NoError(t, s.CreateDocument(t.Context(), d))
		got, err := s.GetDocument(t.Context(), "task", "d")
		require.NoError(t, err)
		require.Equal(t, want, got)
		data, err := s.DocumentData(t.Context(), "task", "d")
		require.NoError(t, err)
		require.Equal(t, anything, data)
		all, err := s.ListDocuments(t.Context(), "task")
		require.NoError(t, err)
		require.Equal(t, []store.Document{want}, all)
	})
	t.Run("what is there is not made again", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.CreateDocument(t.Context(), store.Document{Kind: "k", ID: "d", Body: []byte(`1`), Data: anything}))
		requireCode(t, fault.Conflict, s.CreateDocument(t.Context(), store.Document{Kind: "k", ID: "d", Body: []byte(`2`), Data: []byte("other")}))
		got, err := s.GetDocument(t.Context(), "k", "d")
		require.NoError(t, err)
		require.Equal(t, `1`, string(got.Body))
		data, err := s.DocumentData(t.Context(), "k", "d")
		require.NoError(t, err)
		require.Equal(t, anything, data)
	})
	t.Run("put again replaces the record, and the data if there is some", func(t *testing.T) {
		s := open(t)
		for _, step := range []struct{ data, want []byte }{{nil, nil}, {[]byte("a"), []byte("a")}, {nil, []byte("a")}, {anything, anything}} {
			require.NoError(t, s.PutDocument(t.Context(), store.Document{Kind: "k", ID: "d", Data: step.data, UpdatedAt: at(len(step.want))}))
			data, err := s.DocumentData(t.Context(), "k", "d")
			require.NoError(t, err)
			require.True(t, bytes.Equal(step.want, data))
			got, err := s.GetDocument(t.Context(), "k", "d")
			require.NoError(t, err)
			require.Equal(t, at(len(step.want)), got.UpdatedAt)
		}
	})
	t.Run("kinds know nothing of each other, and lists are by time", func(t *testing.T) {
		s := open(t)
		for _, d := range []store.Document{{Kind: "a", ID: "x", CreatedAt: at(2)}, {Kind: "a", ID: "z", CreatedAt: at(1)}, {Kind: "a", ID: "y", CreatedAt: at(1)}, {Kind: "b", ID: "x", Data: anything}} {
			require.NoError(t, s.CreateDocument(t.Context(), d))
		}
		require.NoError(t, s.DeleteDocument(t.Context(), "b", "x"))
		_, err := s.DocumentData(t.Context(), "b", "x")
		requireCode(t, fault.NotFound, err)
		all, err := s.ListDocuments(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []store.Document{{Kind: "a", ID: "y", CreatedAt: at(1)}, {Kind: "a", ID: "z", CreatedAt: at(1)}, {Kind: "a", ID: "x", CreatedAt: at(2)}}, all)
		require.NoError(t, s.CreateDocument(t.Context(), store.Document{Kind: "b", ID: "x"}))
		data, err := s.DocumentData(t.Context(), "b", "x")
		require.NoError(t, err)
		require.Empty(t, data, "the data went with the document")
	})
	t.Run("what has no kind or no id is refused", func(t *testing.T) {
		s := open(t)
		requireInvalid(t, "kind", s.PutDocument(t.Context(), store.Document{ID: "d"}))
		requireInvalid(t, "id", s.CreateDocument(t.Context(), store.Document{Kind: "k"}))
		requireInvalid(t, "body", s.PutDocument(t.Context(), store.Document{Kind: "k", ID: "d", Body: []byte(`{`)}))
	})
	t.Run("of those who race to make one, one does", func(t *testing.T) {
		s := open(t)
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := s.CreateDocument(t.Context(), store.Document{Kind: "k", ID: "d"})
				if err == nil {
					made.Add(1)
					return
				}
				assert.Equal(t, fault.Conflict, fault.CodeOf(err))
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, made.Load())
	})
}

func samples(t *testing.T, open Open) {
	t.Run("come back byte for byte, and not with the trial", func(t *testing.T) {
		s := withTrials(t, open, 1)
		require.NoError(t, s.PutTrials(t.Context(), "s", "", []store.Trial{{Number: 2, Samples: anything}, {Number: 3}}))
		for number, want := range map[int][]byte{1: nil, 2: anything, 3: nil, 4: nil} {
			got, err := s.TrialSamples(t.Context(), "s", number)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "trial %d", number)
		}
		all, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Nil(t, all[1].Samples)
		_, err = s.TrialSamples(t.Context(), "other", 2)
		requireCode(t, fault.NotFound, err)
	})
	t.Run("are replaced with the trial, and written by checkpoints", func(t *testing.T) {
		s := withTrials(t, open)
		for _, want := range [][]byte{[]byte("a"), anything, nil} {
			require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "s"}, []store.Trial{{Number: 7, Samples: want}}))
			got, err := s.TrialSamples(t.Context(), "s", 7)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
		}
	})
}
