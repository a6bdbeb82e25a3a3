package constrain

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

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
	require.Equal(t, 2, c.grammars.Len())
	require.Equal(t, 2, c.vocabularies.Len())

	// What has been dropped still works for who holds it.
	m := a.newMatcher()
	defer m.Close()
	accept(t, v, m, "a")
	require.True(t, m.Stopped())
}
