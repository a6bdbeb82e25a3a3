package chat

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// evaluate renders an expression over values of a tool's schema.
func evaluate(t *testing.T, expression, schema string) string {
	t.Helper()
	source := `{% set x = tools[0].function.parameters %}` + expression + `{# tools #}`
	v, err := newVariant(source, "", "")
	require.NoError(t, err)
	got, err := v.render([]Message{{Role: "user", Content: "x"}}, []Tool{{Name: "f", Parameters: schema}}, unmarked)
	require.NoError(t, err, expression)
	return got
}

// What Python 3.11 and Jinja2 3.1 write, with transformers' tojson.
func TestJSONIsWrittenAsPythonDoes(t *testing.T) {
	const schema = `{"z": 1, "a": [1.0, -0.5, 1e-7, 1E20, 0.0001, 123456789012, true, null, "é\"\\\/\n\t\u0001\u007f<&>'"], "e": {}, "l": [], "a2": {"b": [{}]}}`
	for expression, want := range map[string]string{
		`{{ x | tojson }}`:                                    `{"z": 1, "a": [1.0, -0.5, 1e-07, 1e+20, 0.0001, 123456789012, true, null, "é\"\\/\n\t\u0001` + "\x7f" + `<&>'"], "e": {}, "l": [], "a2": {"b": [{}]}}`,
		`{{ x.a2 | tojson(indent=2) }}`:                       "{\n  \"b\": [\n    {}\n  ]\n}",
		`{{ [x.e, x.l, x.nothing] | tojson(indent=1) }}`:      "[\n {},\n [],\n null\n]",
		`{{ x.a2 | tojson(separators=(',', ':')) }}`:          `{"b":[{}]}`,
		`{{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson }}`:      `{"b": 1, "a": {"d": 1, "c": 2}}`,
		`{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}`:     `{"a": 2, "b": 1}`,
		`{{ 'é😀' | tojson(ensure_ascii=true) }}`:              `"\u00e9\ud83d\ude00"`,
		`{{ dict(b=x.z, a='y') | tojson }}`:                   `{"a": "y", "b": 1}`,
		`{{ dict(x.a2, c=1) | tojson }}`:                      `{"b": [{}], "c": 1}`,
		`{% for k, v in x.items() %}{{ k }} {% endfor %}`:     "z a e l a2 ",
		`{% for k, v in x | items %}{{ k }} {% endfor %}`:     "z a e l a2 ",
		`{% for k in x %}{{ k }} {% endfor %}`:                "z a e l a2 ",
		`{{ x.keys() | list | join(',') }}`:                   "z,a,e,l,a2",
		`{{ x.values() | first }}`:                            "1",
		`{{ x.get('z') }}{{ x.get('q', 5) }}{{ x.get('q') }}`: "15",
		`{{ x['a'][-1] | length }}{{ x | length }}`:           "125",
		`{{ 'z' in x }}{{ 'q' in x }}{{ x is mapping }}`:      "TrueFalseTrue",
		`{{ 'e' if x.e else 'empty' }}`:                       "empty",
		`{{ x.z + 1 }}{{ x.z is number }}{{ x.a[0] + 1 }}`:    "2True2.0",
	} {
		require.Equal(t, want, evaluate(t, expression, schema), expression)
	}
}

func TestTheLastOfTwoValuesCounts(t *testing.T) {
	require.Equal(t, `{"a": 3, "b": 2}`, evaluate(t, `{{ x | tojson }}`, `{"a": 1, "b": 2, "a": 3}`))
}

func TestIndentationIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 60) + strings.Repeat("1,", 20_000) + "1" + strings.Repeat("]", 60)
	_, err := template(t, `{{ tools[0].function.name }}{{ tools[0].function.parameters | tojson(indent=1000000) }}`).Render([]Message{{Role: "user", Content: "x"}}, Tool{Name: "f", Parameters: `{"enum": ` + deep + `}`})
	require.ErrorContains(t, err, errTooLong.Error())
}

// Whatever is JSON is read, and comes out as the same JSON.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a": [1, 2.5, "x", null, true, {"b": {}}]}`, `"\ud83d\ude00\ud800"`, `-0`, `1e400`, `[[[[`, `{"a":1}{`, `{"a":1,"a":2}`, ``, strings.Repeat("[", 300)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := fromJSON(text, same, same)
		if err != nil {
			return
		}
		v, err := newVariant(`{{ messages[0].tool_calls[0].function.arguments | tojson }}`, "", "")
		require.NoError(t, err)
		once, err := v.render([]Message{{Role: "assistant", ToolCalls: []ToolCall{{Name: "f", Arguments: `{"x": ` + text + `}`}}}}, nil, unmarked)
		require.NoError(t, err)
		twice, err := v.render([]Message{{Role: "assistant", ToolCalls: []ToolCall{{Name: "f", Arguments: once}}}}, nil, unmarked)
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}
