package constrain

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// schemaSource checks a JSON schema and gives it as llguidance shall read it.
// llguidance itself passes over keywords that it doesn't know; here each one is
// either kept or refused by name.
func schemaSource(param, text string, l Limits) (string, error) {
	text, _, err := readSchema(param, text, l)
	return text, err
}

// readSchema is schemaSource that gives what was counted, too.
func readSchema(param, text string, l Limits) (string, *schemaCheck, error) {
	if len(text) > l.SchemaBytes {
		return "", nil, fault.Bad(param, "a schema of %d bytes: at most %d", len(text), l.SchemaBytes)
	}
	if !utf8.ValidString(text) {
		return "", nil, fault.Bad(param, "the schema is not UTF-8")
	}
	if err := checkDepth(param, text, l.SchemaDepth); err != nil {
		return "", nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // as written
	var root any
	if err := decoder.Decode(&root); err != nil {
		return "", nil, notJSON(param, err)
	}
	c := newSchemaCheck(param, l)
	if err := c.schema(root, "#"); err != nil {
		return "", nil, err
	}
	if err := c.checkReferences(); err != nil {
		return "", nil, err
	}
	if err := c.checkCounts(); err != nil {
		return "", nil, err
	}
	switch root {
	case true: // anything
		text = "{}"
	case false:
		return "", nil, fault.Bad(param, "the schema is false: nothing is valid")
	}
	return withOptions(text, l), c, nil
}

// checkDepth refuses what is not one JSON value or nests too deep, before
// anything that calls itself reads it.
func checkDepth(param, text string, max int) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	depth, values := 0, 0
	for {
		token, err := decoder.Token()
		if err == io.EOF && depth == 0 && values == 1 {
			return nil
		}
		if err != nil {
			return notJSON(param, err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > max {
				return fault.Bad(param, "the schema nests deeper than %d", max)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			if values++; values > 1 {
				return fault.Bad(param, "the schema is more than one JSON value")
			}
		}
	}
}

func notJSON(param string, err error) error {
	return &fault.Error{Code: fault.Invalid, Param: param, Message: "the schema is not JSON", Err: err}
}

// withOptions adds llguidance's options to a schema that is an object. They come
// last: it takes them out by putting the last key in their place, and the order
// of the others is that of the reply's properties.
//
// Drafts differ in the keywords that they know: the newest knows all that this
// package lets through. Escapes of \u are left out because a property could
// otherwise pass for another one under such a spelling.
func withOptions(schema string, l Limits) string {
	space := `"whitespace_flexible":false`
	if l.Whitespace > 0 {
		space = fmt.Sprintf(`"whitespace_pattern":"[ \\t\\n\\r]{1,%d}"`, l.Whitespace)
	}
	fields := strings.TrimSpace(schema)
	fields = strings.TrimSpace(fields[1 : len(fields)-1])
	if fields != "" {
		fields += ","
	}
	return "{" + fields + `"$schema":"https://json-schema.org/draft/2020-12/schema",` +
		`"x-guidance":{"json_allowed_escapes":"nrbtf\\\"",` + space + `}}`
}
