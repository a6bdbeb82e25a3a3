package gateway

import "encoding/json"

// MessageRequest is the body of POST /v1/messages: the fields that are honoured.
// What would change the meaning of the reply and can't be honoured is refused by
// name; hints (metadata, service_tier, cache_control, ...) are ignored.
type MessageRequest struct {
	MessagePrompt
	MaxTokens     *int                 `json:"max_tokens" binding:"required" minimum:"1"`                         // most tokens of the reply
	StopSequences []*string            `json:"stop_sequences" swaggertype:"array,string" extensions:"x-nullable"` // the reply ends before any of them
	Temperature   *float64             `json:"temperature" minimum:"0" maximum:"1" extensions:"x-nullable"`       // 0 is greedy; 1 if absent
	TopP          *float64             `json:"top_p" minimum:"0" maximum:"1" extensions:"x-nullable"`             // above 0; 1 if absent
	TopK          *int                 `json:"top_k" minimum:"-1" extensions:"x-nullable"`                        // only the k most probable tokens; 0, -1 or absent: all
	Output        *MessageOutputConfig `json:"output_config" extensions:"x-nullable"`                             // what form the reply has
	Stream        bool                 `json:"stream"`                                                            // reply with server-sent events
}

// MessagePrompt is what a model is to read, and the body of
// POST /v1/messages/count_tokens.
type MessagePrompt struct {
	Model      string             `json:"model" binding:"required" example:"base"`                               // a source, alias or recipe, by name, id or digest
	Messages   []MessageTurn      `json:"messages" binding:"required"`                                           // the conversation so far; turns of one role that follow each other are one
	System     json.RawMessage    `json:"system" swaggertype:"string" extensions:"x-union=string|[]object|null"` // a string, or a list of text blocks
	Tools      []MessageTool      `json:"tools" extensions:"x-nullable"`                                         // functions that the model may call
	ToolChoice *MessageToolChoice `json:"tool_choice" extensions:"x-nullable"`                                   // whether it may, must, or must not
}

// MessageTurn is one turn of a conversation.
type MessageTurn struct {
	Role    string          `json:"role" enums:"user,assistant,system"`
	Content json.RawMessage `json:"content" swaggertype:"string" extensions:"x-union=string|[]object"` // a string, or a list of blocks: text; tool_use of an assistant's; image and tool_result of a user's
}

// MessageTool is a function that the model may call.
type MessageTool struct {
	Type        string          `json:"type" enums:"custom"`                                  // custom if absent; tools that Anthropic's own servers run are refused
	Name        string          `json:"name" binding:"required" example:"get_weather"`        // letters, digits, _ and -, at most 64
	Description string          `json:"description"`                                          // for the model
	InputSchema json.RawMessage `json:"input_schema" binding:"required" swaggertype:"object"` // the JSON schema of its input
	Strict      *bool           `json:"strict" extensions:"x-nullable"`                       // hold the input to the schema, also where the model may choose
}

// MessageToolChoice says whether tools are called.
type MessageToolChoice struct {
	Type            string `json:"type" binding:"required" enums:"auto,any,tool,none"` // the model chooses; it calls one; it calls the one named; it calls none
	Name            string `json:"name"`                                               // of the tool, with the type "tool"
	DisableParallel bool   `json:"disable_parallel_tool_use"`                          // at most one call in a reply
}

// MessageOutputConfig says what form a reply has.
type MessageOutputConfig struct {
	Format *MessageFormat `json:"format" extensions:"x-nullable"`
}

// MessageFormat holds a reply to a JSON schema.
type MessageFormat struct {
	Type   string          `json:"type" enums:"json_schema"`
	Schema json.RawMessage `json:"schema" swaggertype:"object"` // the JSON schema that the reply satisfies
}

// Message is the reply to POST /v1/messages.
type Message struct {
	ID           string         `json:"id"`
	Type         string         `json:"type" enums:"message"`
	Role         string         `json:"role" enums:"assistant"`
	Model        string         `json:"model"`                                                                                                                // as it was asked for
	Content      []MessageBlock `json:"content"`                                                                                                              // what the model said, and the calls that it asks for
	StopReason   *string        `json:"stop_reason" enums:"end_turn,max_tokens,stop_sequence,tool_use,model_context_window_exceeded" extensions:"x-nullable"` // null at the beginning of a stream
	StopSequence *string        `json:"stop_sequence" extensions:"x-nullable"`                                                                                // the one of stop_sequences that ended the reply
	Usage        MessageUsage   `json:"usage"`
}

// MessageBlock is a part of a reply: a text, or the call of a tool.
type MessageBlock struct {
	Type  string          `json:"type" enums:"text,tool_use"`
	Text  *string         `json:"text,omitempty"`                       // of a text
	ID    string          `json:"id,omitempty"`                         // of a call, for its tool_result
	Name  string          `json:"name,omitempty"`                       // of the tool that is called
	Input json.RawMessage `json:"input,omitempty" swaggertype:"object"` // of a call
}

// MessageUsage counts the tokens that the model saw and made. The prompt's are
// the sum of the three kinds of input tokens.
type MessageUsage struct {
	InputTokens         int `json:"input_tokens"`                // of the prompt, without those that needed no work
	CacheCreationTokens int `json:"cache_creation_input_tokens"` // always 0: what is kept costs nothing
	CacheReadTokens     int `json:"cache_read_input_tokens"`     // of the prompt, those that needed no work
	OutputTokens        int `json:"output_tokens"`
}

// MessageTokenCount is the reply to POST /v1/messages/count_tokens.
type MessageTokenCount struct {
	InputTokens int `json:"input_tokens"`
}

// messageEvent is one event of a streamed reply; its type is also its name.
type messageEvent struct {
	Type    string        `json:"type"`
	Message *Message      `json:"message,omitempty"`       // of message_start
	Index   *int          `json:"index,omitempty"`         // of the block that content_block_... is about
	Block   *MessageBlock `json:"content_block,omitempty"` // of content_block_start: the block without its contents
	Delta   any           `json:"delta,omitempty"`         // a textDelta, inputDelta or messageDelta
	Usage   *MessageUsage `json:"usage,omitempty"`         // of message_delta
}

// textDelta is what an event adds to a text block.
type textDelta struct {
	Type string `json:"type"` // text_delta
	Text string `json:"text"`
}

// inputDelta is what an event adds to the input of a call, which is JSON only
// when all is there.
type inputDelta struct {
	Type        string `json:"type"` // input_json_delta
	PartialJSON string `json:"partial_json"`
}

// messageDelta is how a reply ended.
type messageDelta struct {
	StopReason   string  `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}
