package constrain

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// The forms of calls that there are: marks that are text, a mark that is a token
// before a list, marks that are tokens around each, and none.
var callForms = map[string]CallForm{
	"marks": {
		Marker: "<call>", Begin: "<call>\n" + `{"name": "`, Middle: `", "arguments": `, End: "}\n</call>", Between: "\n",
	},
	"a list": {
		Marker: "[INST]", Open: "[INST][", Begin: `{"name": "`, Middle: `", "arguments": `, End: "}", Between: ", ", Close: "]",
		Tokens: map[string]int32{"[INST]": 3},
	},
	"tokens": {
		Marker: "[INST]", Begin: `[INST]{"name": "`, Middle: `", "arguments": `, End: "}<s>", Between: "",
		Tokens: map[string]int32{"[INST]": 3, "<s>": 1},
	},
	"bare": {Begin: `{"name": "`, Middle: `", "parameters": `, End: "}"},
}

var callable = []Function{
	{Name: "weather", Schema: `{"type": "object", "properties": {"city": {"enum": ["東京", "Paris"]}, "days": {"$ref": "#/$defs/days"}}, "required": ["city"], "additionalProperties": false, "$defs": {"days": {"type": "integer", "minimum": 0, "maximum": 9}}}`},
	{Name: "weather-2", Schema: `{"type": "object", "properties": {}, "additionalProperties": false}`},
	{Name: "add", Schema: `{"type": "object", "properties": {"of": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}}, "required": ["of"], "additionalProperties": false}`},
}

// readCalls reads a reply that is nothing but calls of a form, and checks each. A
// space may follow a token.
func readCalls(t *testing.T, form CallForm, text string) (names []string) {
	t.Helper()
	rest := text
	for token := range form.Tokens {
		rest = strings.ReplaceAll(rest, token+" ", token)
	}
	cut := func(prefix string) {
		t.Helper()
		after, ok := strings.CutPrefix(rest, prefix)
		require.True(t, ok, "%q has no %q at %q", text, prefix, rest)
		rest = after
	}
	cut(form.Open)
	for {
		cut(form.Begin)
		name, after, ok := strings.Cut(rest, form.Middle)
		require.True(t, ok, "%q", text)
		decoder := json.NewDecoder(strings.NewReader(after))
		var arguments json.RawMessage
		require.NoError(t, decoder.Decode(&arguments), "%q", text)
		rest = after[decoder.InputOffset():]
		for _, f := range callable {
			if f.Name == name {
				names = append(names, name)
				requireValid(t, f.Schema, string(arguments))
			}
		}
		cut(form.End)
		if rest == form.Close {
			return names
		}
		cut(form.Between)
	}
}

func requireValid(t *testing.T, schema, text string) {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", parsed))
	validator, err := c.Compile("schema.json")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(t, err, "%q", text)
	require.NoError(t, validator.Validate(value), "%q", text)
}

func TestCallsAreKeptToTheirForm(t *testing.T) {
	for kind, v := range vocabularies(t) {
		c := NewCompiler(Limits{Whitespace: 1})
		for name, form := range callForms {
			t.Run(kind+"/"+name, func(t *testing.T) {
				most := 3
				if name == "bare" {
					most = 1
				}
				g, err := c.Compile(v, CallsOf(Calls{Form: form, Functions: callable, Most: most}))
				require.NoError(t, err)
				random, called := rand.New(rand.NewPCG(11, 12)), map[string]bool{}
				for range 2 * walks {
					names := readCalls(t, form, walk(t, v, g, random))
					require.LessOrEqual(t, len(names), most)
					for _, name := range names {
						called[name] = true
					}
				}
				require.Len(t, called, len(callable), "each of them can be called")
			})
		}
	}
}

// Where text is free as well, a reply is text, or text and then calls. There is no
// mark without a call.
func TestCallsAfterText(t *testing.T) {
	for kind, v := range vocabularies(t) {
		c := NewCompiler(Limits{Whitespace: 1})
		for name, form := range callForms {
			t.Run(kind+"/"+name, func(t *testing.T) {
				g, err := c.Compile(v, CallsOf(Calls{Form: form, Functions: callable, Most: 1, Free: true}))
				require.NoError(t, err)
				random := rand.New(rand.NewPCG(13, 14))
				for range walks {
					text := walk(t, v, g, random)
					if form.Marker == "" {
						continue
					}
					if before, _, called := strings.Cut(text, form.Marker); called {
						readCalls(t, form, text[len(before):])
					}
				}
				// Text, then the mark, and from there on there is no way but a call.
				m := g.newMatcher()
				defer m.Close()
				require.Contains(t, masks(t, m), int32(eos), "a reply may be empty")
				if form.Marker == "" {
					return
				}
				accept(t, v, m, "a b < c")
				require.Contains(t, masks(t, m), int32(eos))
				if id, special := form.Tokens[form.Marker]; special {
					require.Contains(t, masks(t, m), id)
					require.NoError(t, m.Accept(id))
				} else {
					accept(t, v, m, form.Marker)
				}
				require.NotContains(t, masks(t, m), int32(eos))
				require.Error(t, m.Accept(eos))
				require.Less(t, len(masks(t, m)), 10, "the form is spelled out")
			})
		}
	}
}

func TestAnAnswerBesideCalls(t *testing.T) {
	for kind, v := range vocabularies(t) {
		for name, form := range callForms {
			t.Run(kind+"/"+name, func(t *testing.T) {
				g := compile(t, v, CallsOf(Calls{Form: form, Functions: callable, Most: 1, Free: true, Answer: &Spec{Kind: JSONSchema, Text: `{"enum": [12, "yes"]}`}}))
				random, answers, called := rand.New(rand.NewPCG(15, 16)), map[string]bool{}, false
				for range 4 * walks {
					text := walk(t, v, g, random)
					if text == "12" || text == `"yes"` {
						answers[text] = true
						continue
					}
					called = true
					readCalls(t, form, text)
				}
				require.Len(t, answers, 2)
				require.True(t, called)
			})
		}
	}
}

// Masks and matchers agree on tokens that have no text, too.
func TestTokensWithoutTextAreInTheMask(t *testing.T) {
	for kind, v := range vocabularies(t) {
		t.Run(kind, func(t *testing.T) {
			m := compile(t, v, CallsOf(Calls{Form: callForms["a list"], Functions: callable, Most: 1})).newMatcher()
			defer m.Close()
			require.Equal(t, []int32{3}, masks(t, m), "a call begins with its mark")
			require.Error(t, m.Accept(0))
			require.Error(t, m.Accept(1), "another token like that")
			require.NoError(t, m.Accept(3))
			require.NotContains(t, masks(t, m), int32(3))
			require.Error(t, m.Accept(3))
		})
	}
}

// callsTo makes the spec for calls of n functions that all take the same.
func callsTo(n int, schema string) Spec {
	functions := make([]Function, n)
	for i := range functions {
		functions[i] = Function{Name: fmt.Sprintf("f%d", i), Schema: schema}
	}
	return CallsOf(Calls{Form: callForms["marks"], Functions: functions, Most: 1})
}

func TestCallsThatCannotBeKeptAreRefused(t *testing.T) {
	form := callForms["marks"]
	of := func(functions ...Function) Calls { return Calls{Form: form, Functions: functions, Most: 1} }
	for name, c := range map[string]struct {
		spec        Spec
		param, says string
		code        fault.Code
	}{
		"no calls":                   {Spec{Kind: ToolCalls, Text: "x"}, "tool_calls", "no calls", fault.Invalid},
		"no functions":               {CallsOf(of()), "tool_calls", "nothing", fault.Invalid},
		"none at most":               {CallsOf(Calls{Form: form, Functions: callable}), "tool_calls", "nothing", fault.Invalid},
		"no form":                    {CallsOf(Calls{Functions: callable, Most: 1}), "tool_calls", "nothing", fault.Invalid},
		"a keyword":                  {CallsOf(of(callable[0], Function{Name: "f", Schema: `{"not": {}}`, Param: "second"})), "second", `"not"`, fault.Invalid},
		"no JSON":                    {CallsOf(of(Function{Name: "f", Schema: `{`, Param: "first"})), "first", "not JSON", fault.Invalid},
		"what the library refuses":   {CallsOf(of(callable[0], Function{Name: "f", Schema: `{"type": "float"}`, Param: "second"})), "second", "float", fault.Invalid},
		"an answer that is no JSON":  {CallsOf(Calls{Form: form, Functions: callable, Most: 1, Answer: &Spec{Kind: Regex, Text: "a"}}), "tool_calls", "regex", fault.Invalid},
		"an answer that is not kept": {CallsOf(Calls{Form: form, Functions: callable, Most: 1, Answer: &Spec{Kind: JSONSchema, Text: `{"not":{}}`}}), "tool_calls", "not", fault.Invalid},
		"a token that isn't there":   {CallsOf(Calls{Form: CallForm{Begin: "x", Tokens: map[string]int32{"x": 1 << 20}}, Functions: callable, Most: 1}), "", "token", fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCompiler(Limits{}).Compile(zoo(t), c.spec)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.code, f.Code, "%v", err)
			require.Equal(t, c.param, f.Param)
			require.ErrorContains(t, err, c.says)
		})
	}
}
