package gateway

import "encoding/json"

// Tool is a function that the model may call instead of answering.
type Tool struct {
	Type     string       `json:"type" enums:"function"`
	Function FunctionTool `json:"function"`
}

// FunctionTool describes a function to the model.
type FunctionTool struct {
	Name        string          `json:"name" example:"get_weather"`                // letters, digits, _ and -, at most 64
	Description string          `json:"description,omitempty"`                     // for the model
	Parameters  json.RawMessage `json:"parameters,omitempty" swaggertype:"object"` // the JSON schema of its arguments; none: it has no arguments
	Strict      *bool           `json:"strict,omitempty" extensions:"x-nullable"`  // hold the arguments to the schema, also where the model may choose
}

// ToolCall is one call of a function that an assistant's turn asks for.
type ToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type" enums:"function"`
	Function FunctionCall `json:"function"`
}

// FunctionCall names the function and holds its arguments: JSON as text, as the
// model wrote it.
type FunctionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON, as the model wrote it
}

// ToolCallDelta is what a chunk adds to one call of a reply: id, type and name in
// the first, then arguments piece by piece.
type ToolCallDelta struct {
	Index    int               `json:"index"` // which call of the reply
	ID       string            `json:"id,omitempty"`
	Type     string            `json:"type,omitempty"`
	Function FunctionCallDelta `json:"function"`
}

// FunctionCallDelta is the new part of a [FunctionCall].
type FunctionCallDelta struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}
