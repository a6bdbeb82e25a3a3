package chat

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestWhatCouldNestWithoutBoundIsRefused(t *testing.T) {
	for name, source := range map[string]string{
		"brackets":     "{{ " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000) + " }}",
		"lists":        "{{ " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + " }}",
		"never closed": strings.Repeat("{", maxDepth+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(source, tokens(t))
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
		})
	}
}

// Macros may call themselves, and are stopped where they don't end.
func TestMacrosThatDoNotEndAreStopped(t *testing.T) {
	for name, source := range map[string]string{
		"one that calls itself": `{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}`,
		"a pair":                `{%- macro f(x) -%}{{ g(x) }}{%- endmacro -%}{% macro g(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}`,
		"a tree":                `{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(50) }}`,
		"in a branch":           `{% macro f(x) %}{% if x %}{{ f(x) if x else '' }}{% endif %}{% endmacro %}{% for i in range(3) %}{{ f(1) }}{% endfor %}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := template(t, source).Render([]Message{{Role: "user", Content: "x"}})
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, errTooDeep.Error())
		})
	}
	got, err := template(t, `{% macro f(n) %}{% if n > 0 %}{{ n }},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}`).Render([]Message{{Role: "user", Content: "x"}})
	require.NoError(t, err)
	require.Contains(t, got, "90,89,")
	require.Contains(t, got, ",2,1,")
}

// Nesting without brackets is bounded by the length that a template may have.
func TestTheLongestTemplatesDoNotOverflowTheStack(t *testing.T) {
	for name, unit := range map[string]string{"not": "not ", "minus": "- ", "power": "2 ** ", "if": "1 if 1 else ", "concat": "'a' ~ "} {
		t.Run(name, func(t *testing.T) {
			source := "{{ " + strings.Repeat(unit, (maxTemplateBytes-20)/len(unit)) + "1 }}"
			made, err := New(source, tokens(t))
			if err == nil {
				_, err = made.Render([]Message{{Role: "user", Content: "x"}})
			}
			require.NotEqual(t, fault.Internal, fault.CodeOf(err), "%v", err)
		})
	}
	blocks := strings.Repeat("{% if 1 %}", maxTemplateBytes/30) + "x" + strings.Repeat("{% endif %}", maxTemplateBytes/30)
	made, err := New(blocks, tokens(t))
	if err == nil {
		_, err = made.Render([]Message{{Role: "user", Content: "x"}})
	}
	require.NotEqual(t, fault.Internal, fault.CodeOf(err), "%v", err)
}

func TestOrdinaryNestingIsFine(t *testing.T) {
	deep := "{{ " + strings.Repeat("(", 20) + "1" + strings.Repeat(")", 20) + " }}"
	for name, c := range map[string]struct{ source, want string }{
		"brackets": {deep, "1"},
		"macros":   {`{% macro f(x) %}<{{ x }}>{% endmacro %}{% macro g(x) %}{{ f(x) }}!{% endmacro %}{{ g(2) }}`, "<2>!"},
		"smileys":  {strings.Repeat(":) ", 500) + strings.Repeat("(: ", 100), strings.Repeat(":) ", 500) + strings.Repeat("(: ", 100)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := template(t, c.source).Render([]Message{{Role: "user", Content: "x"}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
