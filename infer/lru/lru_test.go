package lru

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLeastRecentlyUsedIsDropped(t *testing.T) {
	c, made := New[string, int](2), 0
	get := func(key string) int {
		value, err := c.Get(key, func() (int, error) { made++; return made, nil })
		require.NoError(t, err)
		return value
	}
	require.Equal(t, []int{1, 2, 1}, []int{get("a"), get("b"), get("a")})
	require.Equal(t, 3, get("c"), "b had to go")
	require.Equal(t, []int{1, 3, 4}, []int{get("a"), get("c"), get("b")})
	require.Equal(t, 2, c.Len())
}

func TestWhatFailedIsNotKept(t *testing.T) {
	c, boom := New[string, int](2), errors.New("boom")
	_, err := c.Get("a", func() (int, error) { return 0, boom })
	require.ErrorIs(t, err, boom)
	require.Zero(t, c.Len())
	value, err := c.Get("a", func() (int, error) { return 7, nil })
	require.NoError(t, err)
	require.Equal(t, 7, value)
}

func TestWhatManyAskForIsMadeOnce(t *testing.T) {
	c := New[string, int](4)
	var made int // guarded by the cache: one makes it
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			value, err := c.Get("a", func() (int, error) { made++; return made, nil })
			if value != 1 || err != nil {
				t.Error(value, err)
			}
		})
	}
	all.Wait()
}

func TestWhatIsKeptWeighsNoMoreThanItMay(t *testing.T) {
	c, made := NewWeighed[string](10, func(weight int) int { return weight }), ""
	get := func(key string, weight int) {
		value, err := c.Get(key, func() (int, error) { made += key; return weight, nil })
		require.NoError(t, err)
		require.Equal(t, weight, value)
	}
	get("a", 4)
	get("b", 6)
	get("a", 4)
	require.Equal(t, "ab", made)
	get("c", 5) // b has to go
	get("a", 4)
	require.Equal(t, "abc", made)
	require.Equal(t, 2, c.Len())
	get("d", 11) // is not kept, and drives nobody out
	get("d", 11)
	get("c", 5)
	require.Equal(t, "abcdd", made)
	get("e", 10) // takes all there is
	require.Equal(t, 1, c.Len())
	boom := errors.New("boom")
	_, err := c.Get("f", func() (int, error) { return 3, boom })
	require.ErrorIs(t, err, boom)
	get("e", 10)
	require.Equal(t, "abcdde", made)
}
