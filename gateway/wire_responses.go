package gateway

import "encoding/json"

// ResponseRequest is the body of POST /v1/responses: the fields that are honoured.
// What would change the reply and can't be honoured is refused by name.
type ResponseRequest struct {
	Model              string             `json:"model" binding:"required" example:"base"`                             // a source, alias or recipe, by name, id or digest
	Input              json.RawMessage    `json:"input" swaggertype:"string" extensions:"x-union=string|[]object"`     // what the user says: text, or a list of items: messages, function calls, their outputs, references to stored items
	Instructions       *string            `json:"instructions" extensions:"x-nullable"`                                // a system message before all else; a response that goes on from this one does not take it over
	PreviousResponseID *string            `json:"previous_response_id" extensions:"x-nullable"`                        // the stored response that this one goes on from: its conversation comes before the input
	Store              *bool              `json:"store" extensions:"x-nullable"`                                       // keep the response, so that it can be read and gone on from; true if absent
	Metadata           map[string]*string `json:"metadata" swaggertype:"object,string" extensions:"x-nullable"`        // up to 16 texts, given back with the response
	MaxOutputTokens    *int               `json:"max_output_tokens" minimum:"1" extensions:"x-nullable"`               // most tokens of the reply; up to the context if absent
	TopLogprobs        *int               `json:"top_logprobs" minimum:"0" maximum:"20" extensions:"x-nullable"`       // so many of the most probable tokens at each place; needs include
	Include            []string           `json:"include" extensions:"x-nullable"`                                     // "message.output_text.logprobs": the log probability of each token
	Text               *ResponseText      `json:"text" extensions:"x-nullable"`                                        // what form the reply has
	Tools              []ResponseTool     `json:"tools" extensions:"x-nullable"`                                       // functions that the model may call
	ToolChoice         json.RawMessage    `json:"tool_choice" swaggertype:"string" extensions:"x-union=string|object"` // "auto", "none", "required", or {"type": "function", "name": ...}
	ParallelToolCalls  *bool              `json:"parallel_tool_calls" extensions:"x-nullable"`                         // false: at most one call in a reply
	Truncation         *string            `json:"truncation" enums:"auto,disabled" extensions:"x-nullable"`            // auto: the oldest turns of a conversation that is too long are left out; disabled, or absent: it is refused
	SamplingFields
}

// ResponseText says what form a reply has.
type ResponseText struct {
	Format    *ResponseFormat `json:"format,omitempty"`
	Verbosity *string         `json:"verbosity,omitempty" swaggerignore:"true"`
}

// ResponseFormat is free text, some JSON object, or JSON that satisfies a schema.
type ResponseFormat struct {
	Type        string          `json:"type" enums:"text,json_object,json_schema"`
	Name        string          `json:"name,omitempty"`                           // of a json_schema, as the rest is
	Description string          `json:"description,omitempty"`                    // for the model
	Schema      json.RawMessage `json:"schema,omitempty" swaggertype:"object"`    // the JSON schema that the reply satisfies
	Strict      *bool           `json:"strict,omitempty" extensions:"x-nullable"` // replies satisfy the schema either way
}

// ResponseTool is a function that the model may call instead of answering.
type ResponseTool struct {
	Type        string          `json:"type" enums:"function"`
	Name        string          `json:"name" example:"get_weather"`                              // letters, digits, _ and -, at most 64
	Description string          `json:"description,omitempty"`                                   // for the model
	Parameters  json.RawMessage `json:"parameters" swaggertype:"object" extensions:"x-nullable"` // the JSON schema of its arguments; none: it has no arguments
	Strict      *bool           `json:"strict" extensions:"x-nullable"`                          // hold the arguments to the schema, also where the model may choose
}

// Response is a reply with all that was asked for, and where it stands.
type Response struct {
	ID                 string             `json:"id" example:"resp_ABCDEFGHIJKLMNOPQRSTUVWXYZ"`
	Object             string             `json:"object" enums:"response"`
	CreatedAt          int64              `json:"created_at"`
	CompletedAt        *int64             `json:"completed_at" extensions:"x-nullable"` // once it is completed
	Status             string             `json:"status" enums:"in_progress,completed,incomplete,failed"`
	Background         bool               `json:"background"`                                   // always false
	Error              *ResponseError     `json:"error" extensions:"x-nullable"`                // why it failed
	IncompleteDetails  *IncompleteDetails `json:"incomplete_details" extensions:"x-nullable"`   // why it is incomplete
	Instructions       *string            `json:"instructions" extensions:"x-nullable"`         // as in the request
	MaxOutputTokens    *int               `json:"max_output_tokens" extensions:"x-nullable"`    // as in the request
	MaxToolCalls       *int               `json:"max_tool_calls" swaggerignore:"true"`          // always null: that bounds OpenAI's own tools
	Metadata           map[string]*string `json:"metadata" swaggertype:"object,string"`         // as in the request
	Model              string             `json:"model"`                                        // as it was asked for
	Output             []ResponseItem     `json:"output"`                                       // a message, or function calls, or both
	ParallelToolCalls  bool               `json:"parallel_tool_calls"`                          // as in the request
	PreviousResponseID *string            `json:"previous_response_id" extensions:"x-nullable"` // the response that this one goes on from
	Reasoning          ResponseReasoning  `json:"reasoning"`
	ServiceTier        string             `json:"service_tier" enums:"default"` // always default
	Store              bool               `json:"store"`                        // it can be read and gone on from
	Temperature        float64            `json:"temperature"`                  // as in the request
	Text               ResponseText       `json:"text"`
	ToolChoice         json.RawMessage    `json:"tool_choice" swaggertype:"string" extensions:"x-union=string|object"` // as in the request
	Tools              []ResponseTool     `json:"tools"`                                                               // as in the request
	TopLogprobs        int                `json:"top_logprobs"`                                                        // as in the request
	TopP               float64            `json:"top_p"`                                                               // as in the request
	Truncation         string             `json:"truncation" enums:"auto,disabled"`                                    // as in the request
	Usage              *ResponseUsage     `json:"usage" extensions:"x-nullable"`                                       // once it has ended
}

// ResponseError says why a response failed.
type ResponseError struct {
	Code    string `json:"code" enums:"server_error,rate_limit_exceeded,invalid_prompt"`
	Message string `json:"message"`
}

// IncompleteDetails says why a reply ends before its end.
type IncompleteDetails struct {
	Reason string `json:"reason" enums:"max_output_tokens"` // why the response ends before its end
}

// ResponseReasoning is always empty: models say all that they think.
type ResponseReasoning struct {
	Effort  *string `json:"effort" swaggerignore:"true"`
	Summary *string `json:"summary" swaggerignore:"true"`
}

// ResponseUsage counts the tokens that the model saw and made.
type ResponseUsage struct {
	InputTokens         int                 `json:"input_tokens"`
	InputTokensDetails  ResponseInputUsage  `json:"input_tokens_details"`
	OutputTokens        int                 `json:"output_tokens"`
	OutputTokensDetails ResponseOutputUsage `json:"output_tokens_details"`
	TotalTokens         int                 `json:"total_tokens"`
}

// ResponseInputUsage is OpenAI's input_tokens_details.
type ResponseInputUsage struct {
	CachedTokens     int `json:"cached_tokens"`      // tokens that needed no work
	CacheWriteTokens int `json:"cache_write_tokens"` // always 0: nobody pays for keeping them
}

// ResponseOutputUsage is OpenAI's output_tokens_details.
type ResponseOutputUsage struct {
	ReasoningTokens int `json:"reasoning_tokens"` // always 0: all tokens are the reply's
}

func newResponseUsage(u Usage) *ResponseUsage {
	return &ResponseUsage{
		InputTokens: u.PromptTokens, InputTokensDetails: ResponseInputUsage{CachedTokens: u.PromptTokensDetails.CachedTokens},
		OutputTokens: u.CompletionTokens, TotalTokens: u.TotalTokens,
	}
}
