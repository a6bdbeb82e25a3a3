package toolcall

import (
	"encoding/json"
	"strings"
)

// call reads one object with a name and arguments, byte by byte.
type call struct {
	names   map[string]bool // of the functions there are
	scanner scanner
	raw     []byte // the object, as far as it has been read
	state   callState

	from     int    // where the key or value that is being read begins in raw
	key      string // whose value is read
	name     string // "" until it is known
	argsFrom int    // the arguments in raw, as far as they have been read
	argsTo   int
	text     string // the arguments, if they are not in raw as they are
}

// callState is how far a call has come.
type callState int

const (
	reading callState = iota
	argued            // its name is known, and its arguments have begun
	settled           // and are whole
	ended             // the object is whole
)

// push takes the next byte and tells whether the text can still be a call.
func (c *call) push(b byte) bool {
	s := &c.scanner
	at, depth, state := len(c.raw), s.depth(), s.state
	if !s.push(b) {
		return false
	}
	c.raw = append(c.raw, b)
	ok := true
	switch {
	case depth == 0: // the object begins
		ok = b == '{'
	case depth == 1 && (state == firstKey || state == nextKey) && s.state == inString:
		c.from = at
	case depth == 1 && state == inString && s.state == colon:
		ok = c.named(at + 1)
	case depth == 1 && state == value && s.state != value:
		c.from = at
		ok = c.begin(b)
	case depth == 1 && state == inString && s.state == comma, depth == 2 && s.depth() == 1:
		ok = c.valued(at + 1)
	case depth == 1 && state == inLiteral && s.state != inLiteral: // the byte is not part of it
		ok = c.valued(at)
	}
	switch {
	case ok && s.state == whole:
		ok = c.end()
	case c.state == argued:
		c.argsTo = at + 1
	}
	if !ok {
		c.raw = c.raw[:at] // the byte has not been taken
	}
	return ok
}

// named takes a key that ends before a place of raw.
func (c *call) named(to int) bool {
	if json.Unmarshal(c.raw[c.from:to], &c.key) != nil {
		return false
	}
	switch c.key {
	case "name":
		return c.name == ""
	case "arguments", "parameters":
		return c.argsTo == 0
	case "id", "type": // as OpenAI's API has them
		return true
	}
	return false
}

// begin takes the first byte of a value.
func (c *call) begin(b byte) bool {
	switch c.key {
	case "name":
		return b == '"'
	case "arguments", "parameters":
		if b != '{' {
			return b == '"' // an object written as text
		}
		c.argsFrom, c.argsTo = c.from, c.from+1
		if c.name != "" {
			c.state = argued
		}
	}
	return true
}

// valued takes a value that ends before a place of raw.
func (c *call) valued(to int) bool {
	value := c.raw[c.from:to]
	switch c.key {
	case "name":
		if json.Unmarshal(value, &c.name) != nil || !c.names[c.name] {
			return false
		}
		if c.argsTo > 0 {
			c.state = settled
		}
	case "arguments", "parameters":
		c.argsFrom, c.argsTo = c.from, to
		if value[0] == '"' && (json.Unmarshal(value, &c.text) != nil || !isObject(c.text)) {
			return false
		}
		if c.name != "" {
			c.state = settled
		}
	}
	return true
}

// end takes the end of the object. A call without arguments has empty ones.
func (c *call) end() bool {
	if c.argsTo == 0 {
		c.text = "{}"
	}
	c.state = ended
	return c.name != ""
}

// arguments are what has been read of them, as the model wrote it.
func (c *call) arguments() string {
	if c.text != "" {
		return c.text
	}
	return string(c.raw[c.argsFrom:c.argsTo])
}

// isObject tells whether text is a JSON object.
func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))
}
