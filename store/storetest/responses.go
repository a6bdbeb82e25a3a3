package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// many is a bound that no test of something else reaches.
const many = 1000

// never is when responses of these tests expire.
var never = time.Date(2999, 12, 31, 23, 59, 59, 123456789, time.UTC)

// made is a response of some second.
func made(id string, second int) store.Response {
	return store.Response{ID: id, CreatedAt: at(second), ExpiresAt: never}
}

// requireKept wants these responses to be there, and those to be gone.
func requireKept(t *testing.T, s store.Store, there, gone []string) {
	t.Helper()
	for _, id := range there {
		_, err := s.GetResponse(t.Context(), id)
		require.NoError(t, err, id)
	}
	for _, id := range gone {
		_, err := s.GetResponse(t.Context(), id)
		requireCode(t, fault.NotFound, err)
	}
}

func responses(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		_, err := s.GetResponse(t.Context(), "r")
		requireCode(t, fault.NotFound, err)
		require.ErrorContains(t, err, `"r"`)
		requireCode(t, fault.NotFound, s.DeleteResponse(t.Context(), "r"))
	})
	t.Run("a response comes back as it was put", func(t *testing.T) {
		s := open(t)
		want := store.Response{ID: "r", Owner: "o", Body: []byte(`{"a":"個<&>"}`), CreatedAt: at(0), ExpiresAt: never}
		require.NoError(t, s.PutResponse(t.Context(), want, many))
		got, err := s.GetResponse(t.Context(), "r")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("put again replaces the whole record, and is as young as it says", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.PutResponse(t.Context(), store.Response{ID: "r", Owner: "o", Body: []byte(`1`), CreatedAt: at(0), ExpiresAt: never}, 2))
		require.NoError(t, s.PutResponse(t.Context(), made("q", 1), 2))
		want := made("r", 2)
		require.NoError(t, s.PutResponse(t.Context(), want, 2))
		got, err := s.GetResponse(t.Context(), "r")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, s.PutResponse(t.Context(), made("p", 3), 2))
		requireKept(t, s, []string{"r", "p"}, []string{"q"})
	})
	t.Run("a deleted one is gone, and leaves room", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.PutResponse(t.Context(), made("r", 0), 2))
		require.NoError(t, s.PutResponse(t.Context(), made("q", 1), 2))
		require.NoError(t, s.DeleteResponse(t.Context(), "q"))
		requireCode(t, fault.NotFound, s.DeleteResponse(t.Context(), "q"))
		require.NoError(t, s.PutResponse(t.Context(), made("p", 2), 2))
		requireKept(t, s, []string{"r", "p"}, []string{"q"})
	})
	t.Run("the oldest go first, in whatever order they came", func(t *testing.T) {
		s := open(t)
		for i, second := range []int{5, -7, 3, 4, 3} {
			require.NoError(t, s.PutResponse(t.Context(), made(fmt.Sprint(i), second), many))
		}
		for _, step := range []struct {
			id          string
			second      int
			most        int
			there, gone []string
		}{
			{"new", 9, 6, []string{"0", "1", "2", "3", "4", "new"}, nil},
			{"newer", 10, 5, []string{"0", "3", "4", "new", "newer"}, []string{"1", "2"}},
			{"newest", 11, 2, []string{"newer", "newest"}, []string{"0", "3", "4", "new"}},
			{"last", 12, 1, []string{"last"}, []string{"newer", "newest"}},
		} {
			require.NoError(t, s.PutResponse(t.Context(), made(step.id, step.second), step.most))
			requireKept(t, s, step.there, step.gone)
		}
	})
	t.Run("one whose time is over is gone", func(t *testing.T) {
		s := open(t)
		old := made("r", 0)
		old.ExpiresAt = time.Now().Add(-time.Second)
		require.NoError(t, s.PutResponse(t.Context(), old, many))
		requireKept(t, s, nil, []string{"r"})
		requireCode(t, fault.NotFound, s.DeleteResponse(t.Context(), "r"))
	})
	t.Run("those whose time is over make room", func(t *testing.T) {
		s := open(t)
		const expired = 150 // more than are looked at at once
		for i := range expired {
			old := made(fmt.Sprint("old ", i), i-expired)
			old.ExpiresAt = time.Now().Add(-time.Second)
			require.NoError(t, s.PutResponse(t.Context(), old, many))
		}
		for i := range 4 {
			require.NoError(t, s.PutResponse(t.Context(), made(fmt.Sprint(i), i), 4))
		}
		requireKept(t, s, []string{"0", "1", "2", "3"}, []string{"old 0", "old 149"})
	})
	t.Run("many writers keep to the bound", func(t *testing.T) {
		s := open(t)
		const writers, each, most = 4, 10, 7
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					assert.NoError(t, s.PutResponse(t.Context(), made(fmt.Sprintf("%d-%d", w, i), w*each+i), most))
				}
			})
		}
		wg.Wait()
		left := 0
		for w := range writers {
			for i := range each {
				if _, err := s.GetResponse(t.Context(), fmt.Sprintf("%d-%d", w, i)); err == nil {
					left++
				}
			}
		}
		require.Equal(t, most, left)
	})
}
