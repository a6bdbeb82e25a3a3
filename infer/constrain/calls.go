package constrain

import (
	"encoding/json"
	"fmt"
)

// CallForm is how a model writes calls of functions. Each call is Begin, the
// function's name, Middle, its arguments and End; Open goes before the first,
// Between between two, and Close after the last.
type CallForm struct {
	Open, Begin, Middle, End, Between, Close string

	// Marker is what Open and Begin begin with, and no other text holds. Without
	// one a call is a JSON object with a name, and nothing goes before it.
	Marker string
	// Tokens are the ids of those parts of these texts that are special tokens of
	// the model, by their names.
	Tokens map[string]int32
}

// Function is one that may be called.
type Function struct {
	Name   string // letters, digits, _ and -
	Schema string // what its arguments satisfy: that of an object
	Param  string // the field of the request that holds the schema, for errors about it
}

// Calls say which functions a reply may call.
type Calls struct {
	Form      CallForm
	Functions []Function
	Most      int // calls of one reply
	// Free lets a reply be text as well: before calls, or instead of any.
	Free bool
	// Answer is what a reply may be instead of calls, without any text before
	// those; nil: as Free says. It is for JSON only.
	Answer *Spec
}

// CallsOf makes the spec for calls of functions.
func CallsOf(c Calls) Spec {
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("constrain: calls are always JSON: %v", err))
	}
	return Spec{Kind: ToolCalls, Text: string(text)}
}
