package constrain

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// schemaCheck walks a schema and lets through what is kept. That a keyword's
// value is of the right type is llguidance's to say where not said here.
type schemaCheck struct {
	param      string
	limits     Limits
	places     map[string]any // schemas by their JSON pointer
	references []string
	multiples  multiples
	properties int
	counted    bool // minProperties or maxProperties is there
	patterns   int
	options    int

	optionsByRef map[string]int
}

func newSchemaCheck(param string, l Limits) *schemaCheck {
	return &schemaCheck{param: param, limits: l, places: map[string]any{}, optionsByRef: map[string]int{}}
}

func (c *schemaCheck) bad(at, format string, args ...any) error {
	return fault.Bad(c.param, "%s: %s", at, fmt.Sprintf(format, args...))
}

func (c *schemaCheck) schema(value any, at string) error {
	c.places[at] = value
	switch node := value.(type) {
	case bool:
		return nil
	case map[string]any:
		_, listed := node["items"].([]any)
		_, prefixed := node["prefixItems"]
		if _, rest := node["additionalItems"]; rest && !listed || prefixed && (listed || rest) {
			return c.bad(at, "a list's first items are prefixItems with items, or a list of items with additionalItems")
		}
		for _, keyword := range slices.Sorted(maps.Keys(node)) {
			if err := c.keyword(keyword, node[keyword], at); err != nil {
				return err
			}
		}
		return nil
	}
	return c.bad(at, "a schema is an object or a boolean")
}

func (c *schemaCheck) keyword(name string, value any, at string) error {
	within := at + "/" + name
	switch name {
	case "title", "description", "default", "examples", "$comment", "readOnly", "writeOnly", "deprecated":
		return nil // say nothing about what is valid
	case "$schema":
		return c.dialect(value, at)
	case "$id":
		if at == "#" { // elsewhere it changes what references mean
			return nil
		}
	case "$ref":
		ref, ok := value.(string)
		if !ok || strings.ContainsAny(ref, "~%") {
			return c.bad(within, "%v is no reference such as #/$defs/name", value)
		}
		c.references = append(c.references, ref)
		return nil
	case "$defs", "definitions":
		return c.named(value, within)
	case "properties":
		all, _ := value.(map[string]any)
		c.properties += len(all)
		return c.named(value, within)
	case "patternProperties":
		if err := c.named(value, within); err != nil {
			return err
		}
		for pattern := range value.(map[string]any) {
			c.patterns++
			if err := checkRegex(c.param, pattern, c.limits); err != nil {
				return err
			}
		}
		return nil
	case "items":
		if list, ok := value.([]any); ok {
			return c.list(list, within)
		}
		return c.schema(value, within)
	case "additionalItems", "additionalProperties":
		return c.schema(value, within)
	case "prefixItems", "allOf", "anyOf", "oneOf":
		list, ok := value.([]any)
		if !ok {
			return c.bad(within, "a list of schemas is expected")
		}
		if name == "anyOf" || name == "oneOf" {
			c.options += len(list)
		}
		return c.list(list, within)
	case "enum":
		list, _ := value.([]any)
		c.options += len(list)
		return c.numbers(value, within)
	case "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
		"minLength", "maxLength", "minItems", "maxItems":
		return c.numbers(value, within)
	case "minProperties", "maxProperties":
		c.counted = true
		return c.numbers(value, within)
	case "multipleOf":
		number, _ := value.(json.Number)
		if f, err := number.Float64(); err != nil || !c.multiples.add(f) {
			return c.bad(within, "%v is no number above 0 of at most %d digits, %d of them after the point", value, maxScale+1, maxScale)
		}
		return nil
	case "type", "required":
		return nil
	case "pattern":
		if pattern, ok := value.(string); ok {
			c.patterns++
			return checkRegex(c.param, pattern, c.limits)
		}
		return c.bad(within, "a regular expression is expected")
	case "format":
		if name, ok := value.(string); ok && slices.Contains(formats, name) {
			c.patterns++
			return nil
		}
		return c.bad(at, "the format %v is not supported: %s", value, strings.Join(formats, ", "))
	}
	return c.bad(at, "the keyword %q is not supported here", name)
}

// formats are those that llguidance holds a string to. It checks their form: to
// it, every year has a 29 February, and every minute a leap second.
var formats = []string{"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}

// dialect checks $schema. The drafts that are known mean the same by all
// keywords that are supported.
func (c *schemaCheck) dialect(value any, at string) error {
	if at != "#" {
		return c.bad(at, "$schema is supported at the root only")
	}
	uri, _ := value.(string)
	_, name, _ := strings.Cut(strings.TrimSuffix(uri, "#"), "://")
	switch name {
	case "json-schema.org/draft/2020-12/schema", "json-schema.org/draft/2019-09/schema", "json-schema.org/draft-07/schema",
		"json-schema.org/draft-06/schema", "json-schema.org/draft-04/schema":
		return nil
	}
	return c.bad(at, "$schema %v is not known", value)
}

// named checks schemas by name.
func (c *schemaCheck) named(value any, at string) error {
	all, ok := value.(map[string]any)
	if !ok {
		return c.bad(at, "an object of schemas is expected")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := c.schema(all[name], at+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

func (c *schemaCheck) list(all []any, at string) error {
	for i, value := range all {
		if err := c.schema(value, at+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// maxExact is where float64, which llguidance computes in, ceases to have every
// integer.
const maxExact = 1 << 53

// numbers refuses numbers that would silently become others.
func (c *schemaCheck) numbers(value any, at string) error {
	switch node := value.(type) {
	case json.Number:
		f, err := node.Float64()
		if err != nil || f == math.Trunc(f) && math.Abs(f) >= maxExact {
			return c.bad(at, "%s is beyond the numbers that are supported: integers below 2^53", node)
		}
	case []any:
		for i, element := range node {
			if err := c.numbers(element, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, element := range node {
			if err := c.numbers(element, at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCounts refuses what would take too long.
func (c *schemaCheck) checkCounts() error {
	properties := c.limits.Properties
	if c.counted {
		properties = min(properties, c.limits.Counted)
	}
	for _, of := range []struct {
		what   string
		n, max int
	}{
		{"properties", c.properties, properties},
		{"patterns and formats", c.patterns, c.limits.Patterns},
		{"options of enum, anyOf and oneOf", c.options, c.limits.Options},
	} {
		if of.n > of.max {
			return fault.Bad(c.param, "the schema has %d %s: at most %d", of.n, of.what, of.max)
		}
	}
	for at, value := range c.places {
		if node, ok := value.(map[string]any); ok && c.combinations(node) > c.limits.Options {
			return c.bad(at, "the options that must hold together have more than %d combinations", c.limits.Options)
		}
	}
	if n := c.multiples.remainders(); n < 0 || n > c.limits.MultipleOf {
		return fault.Bad(c.param, "multipleOf: the least common multiple of all in the schema is over %d", c.limits.MultipleOf)
	}
	return nil
}

// checkReferences refuses references to what was not walked.
func (c *schemaCheck) checkReferences() error {
	for _, ref := range c.references {
		if _, ok := c.places[ref]; !ok {
			return c.bad("$ref", "%q names no schema of this document, such as #/$defs/name", ref)
		}
	}
	return nil
}
