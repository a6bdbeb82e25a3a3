package constrain

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLeastRecentlyUsedIsDropped(t *testing.T) {
	c, made := newLRU[string, int](2), 0
	get := func(key string) int {
		value, err := c.get(key, func() (int, error) { made++; return made, nil })
		require.NoError(t, err)
		return value
	}
	require.Equal(t, []int{1, 2, 1}, []int{get("a"), get("b"), get("a")})
	require.Equal(t, 3, get("c"), "b had to go")
	require.Equal(t, []int{1, 3, 4}, []int{get("a"), get("c"), get("b")})
	require.Equal(t, 2, c.len())
}

func TestWhatFailedIsNotKept(t *testing.T) {
	c, boom := newLRU[string, int](2), errors.New("boom")
	_, err := c.get("a", func() (int, error) { return 0, boom })
	require.ErrorIs(t, err, boom)
	require.Zero(t, c.len())
	value, err := c.get("a", func() (int, error) { return 7, nil })
	require.NoError(t, err)
	require.Equal(t, 7, value)
}

func TestWhatManyAskForIsMadeOnce(t *testing.T) {
	c := newLRU[string, int](4)
	var made int // guarded by the cache: one makes it
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			value, err := c.get("a", func() (int, error) { made++; return made, nil })
			if value != 1 || err != nil {
				t.Error(value, err)
			}
		})
	}
	all.Wait()
}

func TestCompiledGrammarsAreKept(t *testing.T) {
	v, c := zoo(t), NewCompiler(Limits{Grammars: 2, Vocabularies: 2})
	compile := func(v Vocabulary, s Spec) *Grammar {
		g, err := c.Compile(v, s)
		require.NoError(t, err)
		return g
	}
	a := compile(v, ChoiceOf("a"))
	require.Same(t, a, compile(v, ChoiceOf("a")))
	named := ChoiceOf("a")
	named.Param = "guided_choice"
	require.Same(t, a, compile(v, named), "who asks doesn't matter")
	other := v
	other.Rows++
	require.NotSame(t, a, compile(other, ChoiceOf("a")), "another vocabulary")
	other.EOS = nil
	require.NotSame(t, a, compile(other, ChoiceOf("a")))
	for i := range 5 {
		compile(v, ChoiceOf(fmt.Sprint(i)))
	}
	require.NotSame(t, a, compile(v, ChoiceOf("a")), "it has been dropped")
	require.Equal(t, 2, c.grammars.len())
	require.Equal(t, 2, c.vocabularies.len())

	// What has been dropped still works for who holds it.
	m := a.newMatcher()
	defer m.Close()
	accept(t, v, m, "a")
	require.True(t, m.Stopped())
}
