package toolcall

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// read is a whole reply: its text, its calls as name and arguments, and whether
// they are whole.
type read struct {
	text   string
	calls  [][2]string
	called bool
}

// readIn reads a reply in pieces of so many bytes.
func readIn(t testing.TB, reply string, bytes int, o Options) read {
	t.Helper()
	if o.Functions == nil {
		o.Functions = []string{"weather", "add"}
	}
	if o.Most == 0 {
		o.Most = 100
	}
	r := NewReader(o)
	var got read
	take := func(parts []Part) {
		for _, p := range parts {
			got.text += p.Text
			if p.Name != "" {
				require.Len(t, got.calls, p.Call, "calls come one after another")
				got.calls = append(got.calls, [2]string{p.Name})
			}
			if p.Text == "" {
				require.Len(t, got.calls, p.Call+1, "a call's name comes first")
				got.calls[p.Call][1] += p.Arguments
			}
		}
	}
	for rest := reply; rest != ""; {
		n := min(bytes, len(rest))
		take(r.Push(rest[:n]))
		rest = rest[n:]
	}
	take(r.Flush())
	got.called = r.Called()
	return got
}

func TestRepliesAreSplitIntoTextAndCalls(t *testing.T) {
	const paris, sum = `{"city": "Paris"}`, `{"a": 1, "b": [2, {"c": null}]}`
	weather, add := [2]string{"weather", paris}, [2]string{"add", sum}
	for name, c := range map[string]struct {
		format Format
		reply  string
		want   read
	}{
		"no call":                      {hermes, "It is  warm.\n", read{text: "It is  warm.\n"}},
		"nothing":                      {hermes, "", read{}},
		"only spaces":                  {hermes, " \n", read{text: " \n"}},
		"hermes":                       {hermes, "<tool_call>\n" + `{"name": "weather", "arguments": ` + paris + "}\n</tool_call>", read{"", [][2]string{weather}, true}},
		"hermes, tightly":              {hermes, `<tool_call>{"name":"add","arguments":` + sum + `}</tool_call>`, read{"", [][2]string{add}, true}},
		"hermes, text before":          {hermes, "Let me see.\n\n<tool_call>\n" + `{"name": "weather", "arguments": ` + paris + "}\n</tool_call>", read{"Let me see.", [][2]string{weather}, true}},
		"hermes, text after":           {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris + "}</tool_call>\n\nDone. \n", read{"Done.", [][2]string{weather}, true}},
		"hermes, two":                  {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris + "}</tool_call>\n" + `<tool_call>{"name": "add", "arguments": ` + sum + `}</tool_call>`, read{"", [][2]string{weather, add}, true}},
		"hermes, text between":         {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris + "}</tool_call> and " + `<tool_call>{"name": "add", "arguments": ` + sum + `}</tool_call>`, read{"and", [][2]string{weather, add}, true}},
		"hermes, arguments first":      {hermes, `<tool_call>{"arguments": ` + paris + `, "name": "weather"}</tool_call>`, read{"", [][2]string{weather}, true}},
		"hermes, no arguments":         {hermes, `<tool_call>{"name": "weather"}</tool_call>`, read{"", [][2]string{{"weather", "{}"}}, true}},
		"hermes, more keys":            {hermes, `<tool_call>{"id": 17, "type": "function", "name": "weather", "arguments": ` + paris + `, "id": "x"}</tool_call>`, read{"", [][2]string{weather}, true}},
		"arguments as text":            {hermes, `<tool_call>{"name": "weather", "arguments": "{\"city\": \"Paris\"}"}</tool_call>`, read{"", [][2]string{weather}, true}},
		"arguments as text, first":     {hermes, `<tool_call>{"arguments": "{\"city\": \"Paris\"}", "name": "weather"}</tool_call>`, read{"", [][2]string{weather}, true}},
		"the other model's key":        {hermes, `<tool_call>{"name": "weather", "parameters": ` + paris + `}</tool_call>`, read{"", [][2]string{weather}, true}},
		"no mark at the end":           {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris + `}`, read{"", [][2]string{weather}, true}},
		"no end of the object":         {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris + "\n</tool_call>", read{"", [][2]string{weather}, true}},
		"no end at all":                {hermes, `<tool_call>{"name": "weather", "arguments": ` + paris, read{"", [][2]string{weather}, true}},
		"cut within the arguments":     {hermes, `<tool_call>{"name": "weather", "arguments": {"city": "Par`, read{"", [][2]string{{"weather", `{"city": "Par`}}, false}},
		"cut within the name":          {hermes, `Well: <tool_call>{"name": "weat`, read{text: `Well: <tool_call>{"name": "weat`}},
		"cut within the mark":          {hermes, `Well: <tool_c`, read{text: `Well: <tool_c`}},
		"cut after the mark":           {hermes, "Well: <tool_call>\n", read{text: "Well: <tool_call>\n"}},
		"marks and braces in a string": {hermes, `<tool_call>{"name": "weather", "arguments": {"city": "}</tool_call>\"{"}}</tool_call>`, read{"", [][2]string{{"weather", `{"city": "}</tool_call>\"{"}`}}, true}},
		"other letters":                {hermes, `天気<tool_call>{"name": "weather", "arguments": {"city": "東京"}}</tool_call>`, read{"天気", [][2]string{{"weather", `{"city": "東京"}`}}, true}},

		"a function of nobody's":    {hermes, `<tool_call>{"name": "rm", "arguments": {}}</tool_call> ok`, read{text: `<tool_call>{"name": "rm", "arguments": {}}</tool_call> ok`}},
		"an empty name":             {hermes, `<tool_call>{"name": "", "arguments": {}}</tool_call>`, read{text: `<tool_call>{"name": "", "arguments": {}}</tool_call>`}},
		"two names":                 {hermes, `<tool_call>{"name": "add", "name": "weather"}</tool_call>`, read{text: `<tool_call>{"name": "add", "name": "weather"}</tool_call>`}},
		"no name":                   {hermes, `<tool_call>{"arguments": {}}</tool_call>`, read{text: `<tool_call>{"arguments": {}}</tool_call>`}},
		"an unknown key":            {hermes, `<tool_call>{"function": "add"}</tool_call>`, read{text: `<tool_call>{"function": "add"}</tool_call>`}},
		"no object":                 {hermes, `<tool_call> add(1, 2) </tool_call>`, read{text: `<tool_call> add(1, 2) </tool_call>`}},
		"arguments that are a list": {hermes, `<tool_call>{"name": "add", "arguments": [1]}`, read{text: `<tool_call>{"name": "add", "arguments": [1]}`}},
		"text that is no object":    {hermes, `<tool_call>{"name": "add", "arguments": "1"}`, read{text: `<tool_call>{"name": "add", "arguments": "1"}`}},
		"a call after what is none": {hermes, `<tool_call>no <tool_call>{"name": "add"}</tool_call>`, read{"<tool_call>no", [][2]string{{"add", "{}"}}, true}},

		"mistral":                 {mistral, `[TOOL_CALLS] [{"name": "weather", "arguments": ` + paris + `}]`, read{"", [][2]string{weather}, true}},
		"mistral, two":            {mistral, `[TOOL_CALLS][{"name": "weather", "arguments": ` + paris + `, "id": "a1b2c3d4e"}, {"name": "add", "arguments": ` + sum + `}]`, read{"", [][2]string{weather, add}, true}},
		"mistral, no list":        {mistral, `[TOOL_CALLS]{"name": "weather", "arguments": ` + paris + `}`, read{"", [][2]string{weather}, true}},
		"mistral, an empty list":  {mistral, `[TOOL_CALLS][]`, read{text: `[TOOL_CALLS][]`}},
		"mistral, half a list":    {mistral, `[TOOL_CALLS][`, read{text: `[TOOL_CALLS][`}},
		"mistral, an open list":   {mistral, `[TOOL_CALLS][{"name": "add"}`, read{"", [][2]string{{"add", "{}"}}, true}},
		"mistral, a bad second":   {mistral, `[TOOL_CALLS][{"name": "add"}, {"name": "rm"}]`, read{`, {"name": "rm"}]`, [][2]string{{"add", "{}"}}, true}},
		"mistral, an answer":      {mistral, `{"name": "weather"}`, read{text: `{"name": "weather"}`}},
		"llama":                   {llama, `{"name": "weather", "parameters": ` + paris + `}`, read{"", [][2]string{weather}, true}},
		"llama, with its mark":    {llama, `<|python_tag|>{"name": "weather", "parameters": ` + paris + `}`, read{"", [][2]string{weather}, true}},
		"llama, spaces before":    {llama, "\n" + `{"type": "function", "name": "weather", "parameters": ` + paris + `}`, read{"", [][2]string{weather}, true}},
		"llama, several":          {llama, `{"name": "weather", "parameters": ` + paris + `}; {"name": "add", "parameters": ` + sum + `}`, read{"", [][2]string{weather, add}, true}},
		"llama, JSON that is one": {llama, `{"city": "Paris"} is it`, read{text: `{"city": "Paris"} is it`}},
		"llama, JSON of people":   {llama, ` {"name": "Ada", "age": 36}`, read{text: ` {"name": "Ada", "age": 36}`}},
		"llama, later":            {llama, `Call {"name": "weather", "parameters": ` + paris + `}`, read{text: `Call {"name": "weather", "parameters": ` + paris + `}`}},
		"llama, code":             {llama, `<|python_tag|>print(1)`, read{text: `<|python_tag|>print(1)`}},
		"plain":                   {plain, `{"name": "weather", "arguments": ` + paris + `}`, read{"", [][2]string{weather}, true}},
	} {
		t.Run(name, func(t *testing.T) {
			for bytes := 1; bytes <= len(c.reply)+1; bytes++ {
				for _, whole := range []bool{true, false} {
					require.Equal(t, c.want, readIn(t, c.reply, bytes, Options{Format: c.format, Whole: whole}), "%d bytes at once", bytes)
				}
			}
		})
	}
}

// What has been given can't be taken back. Who asks for all at once has nothing
// that would have to be.
func TestArgumentsThatAreNoJSON(t *testing.T) {
	for _, arguments := range []string{`{"a": 1,}`, `{broken`, `{"a": "` + "\n" + `"}`, `{"a": tru}`, `{"a"; 1}`, `{"a": 01}`, `{"a": "\x"}`, `{"a": [1}`, `{1: 2}`, `{"a": '1'}`} {
		reply := `So: <tool_call>{"name": "add", "arguments": ` + arguments + `}</tool_call> ok`
		require.Equal(t, read{text: reply}, readIn(t, reply, 3, Options{Format: hermes, Whole: true}))
		got := readIn(t, reply, 1, Options{Format: hermes})
		require.Equal(t, "So:ok", strings.ReplaceAll(got.text, " ", ""))
		require.Len(t, got.calls, 1)
		require.Equal(t, "add", got.calls[0][0])
		require.Equal(t, arguments+"}", got.calls[0][1], "as the model wrote them, up to the mark")
		require.False(t, got.called)
	}
}

func TestArgumentsComeAsTheyAreWritten(t *testing.T) {
	r := NewReader(Options{Format: hermes, Functions: []string{"add"}, Most: 1})
	require.Equal(t, []Part{{Text: "Hm."}}, r.Push("Hm. "))
	require.Empty(t, r.Push("<tool_"))
	require.Empty(t, r.Push(`call>{"name": "add", "argu`))
	require.Equal(t, []Part{{Name: "add"}, {Arguments: `{"a"`}}, r.Push(`ments": {"a"`))
	require.Equal(t, []Part{{Arguments: `: 1`}}, r.Push(`: 1`))
	require.Equal(t, []Part{{Arguments: `}`}}, r.Push(`}}`))
	require.Empty(t, r.Push("</tool_call>\n"))
	require.Empty(t, r.Flush())
	require.True(t, r.Called())
}

func TestTextIsHeldBackOnlyWhereACallMayBegin(t *testing.T) {
	r := NewReader(Options{Format: hermes, Functions: []string{"add"}, Most: 1})
	require.Equal(t, []Part{{Text: "a <"}}, r.Push("a << tool"[:4]), "all but what may begin the mark")
	require.Equal(t, []Part{{Text: "< tool"}}, r.Push(" tool"))
	require.Equal(t, []Part{{Text: " <tool_box"}}, r.Push(" <tool_box"))
}

func TestNoMoreCallsThanWanted(t *testing.T) {
	reply := `<tool_call>{"name": "add", "arguments": {}}</tool_call><tool_call>{"name": "weather", "arguments": {}}</tool_call>`
	require.Equal(t, read{"", [][2]string{{"add", "{}"}}, true}, readIn(t, reply, 5, Options{Format: hermes, Most: 1}))
}

// Whatever a model writes, nothing is lost but spaces and marks, no call is made
// up, and it does not matter how the reply was cut.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`<tool_call>{"name": "add", "arguments": {"a": [1, -2.5e3, "\u00e9\"", true, null]}}</tool_call>`, `[TOOL_CALLS] [{"name": "add"}, {"name": "weather", "arguments": "{}"}]`,
		`{"name": "add", "parameters": {}} ; {"name": "add"}`, `<tool_call><tool_call>{"name"`, `<|python_tag|>{"arguments": {}, "name": "add"`, " \n{", `{"name": "add", "arguments": {"a": }`,
	} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, reply string, bytes int) {
		for _, format := range []Format{hermes, mistral, llama, plain} {
			whole := readIn(t, reply, len(reply)+1, Options{Format: format, Whole: true})
			require.Equal(t, whole, readIn(t, reply, 1+(bytes&0xff), Options{Format: format, Whole: true}))
			for i, call := range whole.calls {
				require.Contains(t, []string{"add", "weather"}, call[0])
				last := i == len(whole.calls)-1
				require.True(t, json.Valid([]byte(call[1])) || last && !whole.called, "%q", call[1])
			}
			if len(whole.calls) == 0 {
				require.Equal(t, reply, whole.text, "text without calls is left alone")
				require.False(t, whole.called)
			}
			bit := readIn(t, reply, 1, Options{Format: format})
			if bit.called {
				require.Equal(t, whole, bit, "whole calls are the same either way")
			}
		}
	})
}
