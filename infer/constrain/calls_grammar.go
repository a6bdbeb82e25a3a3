package constrain

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// callsSource writes a grammar in llguidance's Lark: the form's texts word by
// word, and each function's arguments as JSON that its schema allows.
func callsSource(param, text string, l Limits) (source, error) {
	var c Calls
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return source{}, &fault.Error{Code: fault.Invalid, Param: param, Message: "these are no calls", Err: err}
	}
	if len(c.Functions) == 0 || c.Most < 1 || c.Form.Begin == "" {
		return source{}, fault.Bad(param, "there is nothing that can be called")
	}
	w := callsWriter{form: c.Form, names: slices.SortedFunc(maps.Keys(c.Form.Tokens), longestFirst)}
	properties, patterns, options := 0, 0, 0
	for i, f := range c.Functions {
		schema, counted, err := readSchema(f.Param, f.Schema, l)
		if err != nil {
			return source{}, err
		}
		properties, patterns, options = properties+counted.properties, patterns+counted.patterns, options+counted.options
		if properties > l.CallSchemas*l.Properties || patterns > l.CallSchemas*l.Patterns || options > l.CallSchemas*l.Options {
			return source{}, fault.Bad(param, "the functions have more than %d properties, %d patterns and formats, or %d options of enum, anyOf and oneOf together",
				l.CallSchemas*l.Properties, l.CallSchemas*l.Patterns, l.CallSchemas*l.Options)
		}
		w.rule("f%d: %s a%d %s", i, w.text(c.Form.Begin+f.Name+c.Form.Middle), i, w.text(c.Form.End))
		w.rule("a%d: %%json %s", i, schema)
	}
	bodies := make([]string, len(c.Functions))
	for i := range bodies {
		bodies[i] = fmt.Sprintf("f%d", i)
	}
	w.rule("call: %s", strings.Join(bodies, " | "))
	w.rule("calls: %s call %s %s", w.text(c.Form.Open), w.more(c.Most), w.text(c.Form.Close))
	if err := w.start(c, param, l); err != nil {
		return source{}, err
	}
	return source{kind: "lark", data: w.lines.String(), tokens: w.tokens, free: c.Free}, nil
}

// blame finds the function whose schema is why calls don't compile: llguidance
// says only that one is.
func (c *Compiler) blame(v Vocabulary, s Spec, err error) error {
	var calls Calls
	if s.Kind != ToolCalls || strings.Contains(err.Error(), "too big") || json.Unmarshal([]byte(s.Text), &calls) != nil {
		return err
	}
	for _, f := range calls.Functions {
		if _, alone := c.Compile(v, Spec{Kind: JSONSchema, Text: f.Schema, Param: f.Param}); alone != nil {
			return alone
		}
	}
	return err
}

func longestFirst(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
}

// callsWriter writes the lines of one grammar.
type callsWriter struct {
	form  CallForm
	names []string // of special tokens that there may be

	tokens []int32 // of those that were written
	lines  strings.Builder
}

func (w *callsWriter) rule(format string, args ...any) { fmt.Fprintf(&w.lines, format+"\n", args...) }

// start says what a whole reply is.
func (w *callsWriter) start(c Calls, param string, l Limits) error {
	switch marker := c.Form.Marker; {
	case c.Answer != nil:
		answer, err := c.Answer.source(param, l)
		if err != nil {
			return err
		}
		if answer.kind != "json_schema" {
			return fault.Bad(param, "%s can't be kept beside calls", c.Answer.Kind)
		}
		w.rule("start: calls | answer")
		w.rule("answer: %%json %s", answer.data)
	case !c.Free:
		w.rule("start: calls")
	case marker == "":
		w.rule("start: calls | TEXT?")
		w.rule(`TEXT: /(.|\n)+/ & ~/\s*\{\s*"name"(.|\n)*/`)
	default:
		// The text before a call ends where the marker does, so that there is no
		// marker without a call. What begins like a marker is still text.
		if _, special := c.Form.Tokens[marker]; special {
			w.rule("start: TEXT? calls?")
			w.rule(`TEXT: /(.|\n)+/ & ~/(.|\n)*%s(.|\n)*/`, asLark(regexp.QuoteMeta(marker)))
			return nil
		}
		w.rule("start: lead first | TEXT?")
		w.rule("lead[suffix=%s]: /(.|\\n)*/", quoted(marker))
		w.rule("TEXT: /(.|\\n)+/")
		w.first(c)
	}
	return nil
}

// first writes the calls without the marker that they begin with.
func (w *callsWriter) first(c Calls) {
	open, begin := c.Form.Open, c.Form.Begin
	if open != "" {
		open = strings.TrimPrefix(open, c.Form.Marker)
	} else {
		begin = strings.TrimPrefix(begin, c.Form.Marker)
	}
	bodies := make([]string, len(c.Functions))
	for i, f := range c.Functions {
		bodies[i] = fmt.Sprintf("%s a%d %s", w.text(begin+f.Name+c.Form.Middle), i, w.text(c.Form.End))
	}
	w.rule("first: %s (%s) %s %s", w.text(open), strings.Join(bodies, " | "), w.more(c.Most), w.text(c.Form.Close))
}

// more writes that calls may follow the first one, up to so many together.
func (w *callsWriter) more(most int) string {
	if most == 1 {
		return ""
	}
	return fmt.Sprintf("(%s call){0,%d}", w.text(w.form.Between), most-1)
}

// text writes a text of the form: special tokens by their ids, all else as it is.
// Some tokenizers write a space after a special token.
func (w *callsWriter) text(text string) string {
	var parts []string
	plain := func(s string) {
		if s != "" {
			parts = append(parts, quoted(s))
		}
	}
	for text != "" {
		at, name := len(text), ""
		for _, n := range w.names {
			if i := strings.Index(text, n); i >= 0 && i < at {
				at, name = i, n
			}
		}
		plain(text[:at])
		if name == "" {
			break
		}
		id := w.form.Tokens[name]
		if !slices.Contains(w.tokens, id) {
			w.tokens = append(w.tokens, id)
		}
		parts = append(parts, fmt.Sprintf(`<[%d]> " "?`, id))
		text = text[at+len(name):]
	}
	if len(parts) == 0 {
		return `""`
	}
	return strings.Join(parts, " ")
}

// quoted is a text as Lark writes it, which is JSON's way.
func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("constrain: text is always JSON: %v", err))
	}
	return string(data)
}

// asLark is a regular expression as it stands between Lark's slashes.
func asLark(regex string) string { return strings.ReplaceAll(regex, "/", `\/`) }
