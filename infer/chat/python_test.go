package chat

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// What templates expect of Python, with what Jinja2 3.1 gives.
func TestTemplatesFindPythonsListsAndStrings(t *testing.T) {
	one, three := []Message{{Role: "user", Content: "x"}}, []Message{{Role: "user", Content: " a+b\n"}, {Role: "assistant", Content: "x"}, {Role: "user", Content: "日本"}}
	for _, c := range []struct {
		source   string
		messages []Message
		want     string
	}{
		{`{{ messages[-1].role }}{{ messages[-1]['content'] }}`, one, "userx"},
		{`{{ messages[-3].content }}{{ messages[-1].content }}{{ messages[2].content }}`, three, " a+b\n日本日本"},
		{`{{ messages[1:][-2].role }}{{ messages[:1][-1].role }}{{ messages[::-1][0].content }}`, three, "assistantuser日本"},
		{`{{ (messages | selectattr('role', 'equalto', 'assistant') | list)[-1].content }}`, three, "x"},
		{`{{ messages | length }}{{ messages is iterable }}{{ messages[3] is defined }}`, three, "3TrueFalse"},
		{`{% for m in messages %}{{ loop.index }}{{ m.role[0] }}{% endfor %}{{ messages | map(attribute='role') | join(',') }}`, three, "1u2a3uuser,assistant,user"},
		{`[{{ messages[0].content.strip() }}][{{ messages[0].content.rstrip() }}][{{ messages[0].content.lstrip() }}]`, three, "[a+b][ a+b][a+b\n]"},
		{`[{{ messages[0].content.rstrip('\n') }}][{{ '本日本'.strip('本') }}][{{ '本日本'.lstrip('本') }}]`, three, "[ a+b][日][日本]"},
		{`{{ messages[0].content.split('+')[-1].strip() }}{{ messages[0].content.split('|')[-1] }}`, three, "b a+b\n"},
		{`{{ 'a-b-c'.split('-', 1)[1] }} {{ 'a-b-c'.rsplit('-', 1)[0] }} {{ 'a-b'.rsplit('-', 5)[0] }} {{ ' a  b '.split()[-1] }}`, one, "b-c a-b a b"},
		{`{{ 'aaa'.replace('a', 'b') }}{{ 'aaa'.replace('a', 'b', 1) }}`, one, "bbbbaa"},
		{`{{ 'x'.startswith('x') }}{{ 'ab'.upper().lower().title() }}{{ ' x '.strip().split('x') | length }}`, one, "TrueAb2"},
		{`{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}`, three, "x"},
		{`{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}`, three, "3"},
	} {
		t.Run(c.source, func(t *testing.T) {
			got, err := template(t, c.source).Render(c.messages)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, source := range []string{
		`{{ 'a'.strip(1) }}`, `{{ 'a'.split('') }}`, `{{ 'a'.split(1) }}`, `{{ 'a'.replace('a') }}`, `{{ 'a'.replace('a', 'b', 'c') }}`,
	} {
		_, err := template(t, source).Render(one)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), source)
	}
	_, err := New(`{% generation 1 %}{% endgeneration %}`, tokens(t))
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}
