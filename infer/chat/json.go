package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// errNotJSON is what is wrong with arguments and schemas that can't be read.
var errNotJSON = errors.New("it is not one JSON value of bounded depth and numbers")

// fromJSON reads JSON as templates see it: objects keep the order of their keys.
// Strings go through mark, and keys through markKey.
func fromJSON(text string, mark, markKey func(string) string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	r := jsonReader{Decoder: d, mark: mark, markKey: markKey}
	value, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errNotJSON
	}
	return value, nil
}

type jsonReader struct {
	*json.Decoder
	mark, markKey func(string) string
}

func (r jsonReader) value(depth int) (any, error) {
	token, err := r.Token()
	if err != nil || depth > maxDepth {
		return nil, errNotJSON
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		items := list{}
		for r.More() {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := r.Token()
		return items, err
	case string:
		return r.mark(t), nil
	case json.Number:
		return number(t)
	}
	return token, nil // true, false, null
}

// object reads the rest of an object. Of two values by one name the last counts.
func (r jsonReader) object(depth int) (any, error) {
	var pairs []*exec.Pair
	place := map[string]int{}
	for r.More() {
		key, err := r.Token()
		if err != nil {
			return nil, errNotJSON
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		at, known := place[name]
		if !known {
			at = len(pairs)
			place[name] = at
			pairs = append(pairs, &exec.Pair{Key: exec.AsValue(r.markKey(name))})
		}
		pairs[at].Value = exec.AsValue(value)
	}
	if _, err := r.Token(); err != nil {
		return nil, errNotJSON
	}
	return dict(pairs), nil
}

// number is an integer if it is written as one and not too large.
func number(n json.Number) (any, error) {
	if i, err := strconv.Atoi(n.String()); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, errNotJSON
	}
	return f, nil
}

// toJSON is transformers' filter tojson: Python's json.dumps with ensure_ascii
// off. gonja's own sorts keys, leaves out spaces and escapes for HTML.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	w := jsonWriter{item: ", ", key: ": "}
	if indent, given := params.KwArgs["indent"]; given && !indent.IsNil() {
		w.item, w.newline, w.indent = ",", "\n", strings.Repeat(" ", max(0, min(indent.Integer(), maxIndent)))
	}
	if given, ok := params.KwArgs["separators"]; ok && given.IsList() && given.Len() == 2 {
		w.item, w.key = given.Index(0).String(), given.Index(1).String()
	}
	if ascii, ok := params.KwArgs["ensure_ascii"]; ok {
		w.ascii = ascii.IsTrue()
	}
	if sorted, ok := params.KwArgs["sort_keys"]; ok {
		w.sorted = sorted.IsTrue()
	}
	if err := w.value(in, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(w.String())
}

// maxIndent bounds what a template may ask for.
const maxIndent = 16

type jsonWriter struct {
	strings.Builder
	item, key       string // what separates
	newline, indent string
	ascii, sorted   bool
}

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	switch {
	case depth > maxDepth:
		return errTooDeep
	case w.Len() > maxRenderedBytes: // indentation can make much of little
		return errTooLong
	case v == nil || v.IsNil():
		w.WriteString("null")
	case v.IsError():
		return errors.New(v.Error())
	case v.IsBool():
		w.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		w.WriteString(pythonFloat(v.Float()))
	case v.IsString():
		w.text(v.String())
	case v.IsDict():
		return w.object(v, depth)
	case v.IsList():
		return w.list(v, depth)
	default:
		return errors.New("tojson: this is nothing that JSON can hold")
	}
	return nil
}

func (w *jsonWriter) list(v *exec.Value, depth int) (err error) {
	w.WriteByte('[')
	v.Iterate(func(i, _ int, item, _ *exec.Value) bool {
		w.begin(i, depth+1)
		err = w.value(item, depth+1)
		return err == nil
	}, func() {})
	w.end(v.Len(), depth, ']')
	return err
}

func (w *jsonWriter) object(v *exec.Value, depth int) (err error) {
	w.WriteByte('{')
	v.IterateOrder(func(i, _ int, key, value *exec.Value) bool {
		w.begin(i, depth+1)
		w.text(key.String())
		w.WriteString(w.key)
		err = w.value(value, depth+1)
		return err == nil
	}, func() {}, false, w.sorted, true)
	w.end(v.Len(), depth, '}')
	return err
}

// begin goes before the i-th item.
func (w *jsonWriter) begin(i, depth int) {
	if i > 0 {
		w.WriteString(w.item)
	}
	w.line(depth)
}

// end goes after n items.
func (w *jsonWriter) end(n, depth int, bracket byte) {
	if n > 0 {
		w.line(depth)
	}
	w.WriteByte(bracket)
}

func (w *jsonWriter) line(depth int) {
	if w.newline != "" {
		w.WriteString(w.newline + strings.Repeat(w.indent, depth))
	}
}

// text writes a string as Python's json does.
func (w *jsonWriter) text(s string) {
	w.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case r == '\b':
			w.WriteString(`\b`)
		case r == '\f':
			w.WriteString(`\f`)
		case r < ' ' || w.ascii && r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(w, `\u%04x`, unit)
			}
		default:
			w.WriteRune(r)
		}
	}
	w.WriteByte('"')
}

// pythonFloat writes a number as Python's repr does.
func pythonFloat(f float64) string {
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
