package constrain

import (
	"encoding/json"
	"fmt"
)

// Kind is a way to say what a reply may be.
type Kind string

// The kinds of a [Spec].
const (
	JSONObject Kind = "json_object" // any JSON object
	JSONSchema Kind = "json_schema" // JSON that a schema allows
	Regex      Kind = "regex"       // text that a regular expression matches from its beginning to its end
	Choice     Kind = "choice"      // one of some strings
	ToolCalls  Kind = "tool_calls"  // calls of functions, see [Calls]
)

// Spec says what a reply may be. Specs that are equal ask for the same.
type Spec struct {
	Kind Kind
	// Text is the schema or the regular expression as the caller wrote it; for
	// Choice a JSON list of strings; for ToolCalls what [CallsOf] writes; for
	// JSONObject nothing.
	Text string
	// Param is the field of the request at fault when the spec is refused; if
	// empty, the kind.
	Param string
}

// ChoiceOf makes the spec for one of some strings.
func ChoiceOf(options ...string) Spec {
	text, err := json.Marshal(options)
	if err != nil {
		panic(fmt.Sprintf("constrain: strings are always JSON: %v", err))
	}
	return Spec{Kind: Choice, Text: string(text)}
}
