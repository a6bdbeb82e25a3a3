package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// isJSON tells whether a Content-Type says JSON. Insisting on it is also what
// makes a browser ask before it lets a foreign page post here.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// isYAML tells whether a Content-Type says YAML.
func isYAML(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{yamlType, "application/x-yaml", "text/yaml", "text/x-yaml"}, kind)
}

// yamlType is the registered name of YAML.
const yamlType = "application/yaml"

// decodeStrict reads the request's JSON body into v, for our own resources,
// where an unknown field is a misspelled one.
func (g *Gateway) decodeStrict(c *gin.Context, v any) error {
	data, err := g.readBody(c)
	if err != nil {
		return err
	}
	return decodeJSON(data, v, true)
}

// decodeJSON reads exactly one JSON object, and says where it stopped being
// one. Unless strict, unknown fields are ignored, as OpenAI's clients expect.
func decodeJSON(data []byte, v any, strict bool) error {
	if !utf8.Valid(data) {
		return fault.New(fault.Invalid, "the request body is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 {
		return fault.New(fault.Invalid, "the request body is empty: a JSON object is needed")
	} else if trimmed[0] != '{' {
		return fault.New(fault.Invalid, "the request body is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		return explainJSON(data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		line, column := position(data, dec.InputOffset())
		return fault.New(fault.Invalid, "something follows the JSON object at line %d, column %d", line, column)
	}
	return nil
}

// explainJSON turns an error of encoding/json into one for the caller, with the
// place and the field where they are known.
func explainJSON(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		offset := int64(len(data))
		text := "unexpected end of the body"
		if syntax != nil && syntax.Offset < offset {
			offset, text = syntax.Offset-1, syntax.Error()
		}
		line, column := position(data, offset)
		return fault.Bad(fieldAt(data), "invalid JSON at line %d, column %d: %s", line, column, text)
	case errors.As(err, &kind):
		field := wireName(kind.Field)
		return fault.Bad(field, "%s must not be a JSON %s", orBody(field), kind.Value)
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return fault.Bad(strings.Trim(name, `"`), "unknown field %s", name)
	}
	return fault.New(fault.Invalid, "invalid JSON: %s", text)
}

// wireName takes the names of embedded Go structs out of a field's path: on the
// wire their fields belong to the object around them.
func wireName(field string) string {
	parts := strings.Split(field, ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p != "" && p[0] >= 'A' && p[0] <= 'Z' }), ".")
}

func orBody(field string) string {
	if field == "" {
		return "the body"
	}
	return field
}

// position counts lines and columns from 1, columns in characters.
func position(data []byte, offset int64) (line, column int) {
	before := data[:max(0, min(offset, int64(len(data))))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}

// fieldAt names the top-level field whose value breaks the syntax: Python's
// json module happily sends NaN, and the reply should say which field it was.
func fieldAt(data []byte) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return ""
	}
	for {
		key, err := dec.Token()
		if err != nil {
			return ""
		}
		name, ok := key.(string)
		if !ok {
			return ""
		}
		var value json.RawMessage
		switch err := dec.Decode(&value); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return "" // the body was cut short: no field's fault
		case err != nil:
			return name
		}
	}
}
