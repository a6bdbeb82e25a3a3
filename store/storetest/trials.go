package storetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// withTrials is a store with the search "s" and trials of these numbers.
func withTrials(t *testing.T, open Open, numbers ...int) store.Store {
	t.Helper()
	s := open(t)
	require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "s"}, numbered(numbers...)))
	return s
}

func numbered(numbers ...int) []store.Trial {
	trials := make([]store.Trial, len(numbers))
	for i, n := range numbers {
		trials[i] = store.Trial{SearchID: "s", Number: n, Body: fmt.Append(nil, n)}
	}
	return trials
}

func trials(t *testing.T, open Open) {
	t.Run("of a search that isn't there are not found", func(t *testing.T) {
		s := open(t)
		requireCode(t, fault.NotFound, s.PutTrials(t.Context(), "s", "", numbered(1)))
		requireCode(t, fault.NotFound, s.PutTrials(t.Context(), "s", "", nil))
		_, err := s.ListTrials(t.Context(), "s")
		requireCode(t, fault.NotFound, err)
		_, _, err = s.PageTrials(t.Context(), "s", 0, 1)
		requireCode(t, fault.NotFound, err)
	})
	t.Run("of a new search are none", func(t *testing.T) {
		s := withTrials(t, open)
		require.NoError(t, s.PutTrials(t.Context(), "s", "", nil))
		all, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, []store.Trial{}, all)
		page, total, err := s.PageTrials(t.Context(), "s", 0, 10)
		require.NoError(t, err)
		require.Equal(t, []store.Trial{}, page)
		require.Zero(t, total)
	})
	t.Run("are listed by number, not by digits or order of writing", func(t *testing.T) {
		s := withTrials(t, open, 10, 9)
		require.NoError(t, s.PutTrials(t.Context(), "s", "", numbered(300, 2, 1<<53, 1<<53-1, 0)))
		all, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, numbered(0, 2, 9, 10, 300, 1<<53-1, 1<<53), all)
	})
	t.Run("put again replace those with their number", func(t *testing.T) {
		s := withTrials(t, open, 1, 2, 3)
		changed := store.Trial{SearchID: "s", Number: 2, Body: []byte(`"changed"`)}
		require.NoError(t, s.PutTrials(t.Context(), "s", "", []store.Trial{changed}))
		all, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, []store.Trial{numbered(1)[0], changed, numbered(3)[0]}, all)
	})
	t.Run("of the same body are as many as there are numbers", func(t *testing.T) {
		s := withTrials(t, open)
		require.NoError(t, s.PutTrials(t.Context(), "s", "", []store.Trial{{Number: 1, Body: []byte(`0`)}, {Number: 2, Body: []byte(`0`)}}))
		_, total, err := s.PageTrials(t.Context(), "s", 0, 1)
		require.NoError(t, err)
		require.Equal(t, 2, total)
	})
	t.Run("belong to one search", func(t *testing.T) {
		s := withTrials(t, open, 1, 2)
		require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "other"}, []store.Trial{{Number: 1}}))
		all, err := s.ListTrials(t.Context(), "other")
		require.NoError(t, err)
		require.Equal(t, []store.Trial{{SearchID: "other", Number: 1}}, all)
		all, err = s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, numbered(1, 2), all)
	})
	t.Run("are written all or none", func(t *testing.T) {
		s := withTrials(t, open, 1)
		requireInvalid(t, "number", s.PutTrials(t.Context(), "s", "", numbered(2, 3, -1)))
		all, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, numbered(1), all)
	})
	t.Run("pages", func(t *testing.T) {
		s := withTrials(t, open, 3, 1, 4, 15, 9)
		for _, c := range []struct {
			offset, limit int
			want          []store.Trial
		}{
			{0, 1, numbered(1)},
			{0, 2, numbered(1, 3)},
			{2, 2, numbered(4, 9)},
			{4, 2, numbered(15)},
			{5, 2, numbered()},
			{0, 5, numbered(1, 3, 4, 9, 15)},
			{3, math.MaxInt, numbered(9, 15)},
			{math.MaxInt, 1, numbered()},
			{math.MaxInt, math.MaxInt, numbered()},
		} {
			page, total, err := s.PageTrials(t.Context(), "s", c.offset, c.limit)
			require.NoError(t, err)
			require.Equal(t, c.want, page, "offset %d, limit %d", c.offset, c.limit)
			require.Equal(t, 5, total)
		}
	})
}
