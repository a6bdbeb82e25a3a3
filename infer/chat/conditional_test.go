package chat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// With what Jinja2 3.1 renders.
func TestConditionsInBrackets(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{`{{ 'a' if messages else 'b' }}`, "a"},
		{`{{ 'x' + ('a' if messages else 'b') }}`, "xa"},
		{`{{ 'x' + ('a' if not messages else 'b') }}`, "xb"},
		{`{{ ('a' if false) }}x`, "x"},
		{`{{ ('a' if false else 'b' if true else 'c') }}`, "b"},
		{`{{ ('a' if false else ('b' if false else 'c')) + ('d' if true else 'e') }}`, "cd"},
		{`{{ ('if' if 1 == 1 else 'else') }}`, "if"},
		{`{{ ("it's (if) a" if true else ')') }}`, "it's (if) a"},
		{`{{ ['a', 'b' if true else 'c'] | join(',') }}`, "a,b"},
		{`{{ 'a.b.c'.split('x' if false else '.') | join(' ') }}`, "a b c"},
		{`{{ range(3 if messages else 2) | list | length }}`, "3"},
		{`{% set x = ('a' if true else 'b') + 'c' %}{{ x }}`, "ac"},
		{`{% if ('a' if true else '') %}yes{% endif %}`, "yes"},
		{`{% for m in messages %}{{ (m.role if loop.first else '') }}{% endfor %}`, "user"},
		{`{% macro f(x, y) %}{{ x }}{{ y }}{% endmacro %}{{ f('a', y=('b' if true else 'c')) }}{{ f('a', y='b' if false else 'c') }}`, "abac"},
		{`{# ('a' if true else 'b') #}text ('a' if true else 'b')`, "text ('a' if true else 'b')"},
		{`{{ {'k': ('a' if true else 'b')}['k'] }}`, "a"},
		{`{{ (1 if 2 <= 3 else 4) }}`, "1"},
	} {
		t.Run(c.template, func(t *testing.T) {
			got, err := template(t, c.template).Render([]Message{{Role: "user", Content: "hi"}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// Whatever a template is, rewriting it ends, and leaves it alone if it has no
// condition.
func FuzzConditionals(f *testing.F) {
	for _, source := range []string{gemma3, qwen3, `{{ ("a" if b else`, `{% ((([[{`, `{{ '`, `{{ "\`, `{#`, `{`} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if got := callConditionals(source); got != source {
			require.Contains(t, source, "if")
			require.Contains(t, got, chooseName)
		}
	})
}
