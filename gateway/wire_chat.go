package gateway

import (
	"encoding/json"
)

// ChatRequest is the body of POST /v1/chat/completions: the fields that are
// honoured. Fields that would change the meaning of the reply and can't be
// honoured yet are refused by name (see unsupported.go); all others are ignored.
type ChatRequest struct {
	Model                string          `json:"model" example:"base"`                                                     // a source, alias or recipe, by name, id or digest; a mere label, or absent, beside recipe
	Messages             []ChatMessage   `json:"messages" binding:"required"`                                              // the conversation so far
	MaxCompletionTokens  *int            `json:"max_completion_tokens" minimum:"1" extensions:"x-nullable"`                // most tokens of the reply; up to the context if absent
	MaxTokens            *int            `json:"max_tokens" minimum:"1" extensions:"x-nullable"`                           // the older name of max_completion_tokens
	Logprobs             bool            `json:"logprobs"`                                                                 // give the log probability of each token
	TopLogprobs          *int            `json:"top_logprobs" minimum:"0" maximum:"20" extensions:"x-nullable"`            // and of so many of the most probable ones; needs logprobs
	Tools                []Tool          `json:"tools" extensions:"x-nullable"`                                            // functions that the model may call
	ToolChoice           json.RawMessage `json:"tool_choice" swaggertype:"string" extensions:"x-union=string|object|null"` // "auto", "none", "required", or {"type": "function", "function": {"name": ...}}
	ParallelToolCalls    *bool           `json:"parallel_tool_calls" extensions:"x-nullable"`                              // false: at most one call in a reply
	ContinueFinalMessage bool            `json:"continue_final_message"`                                                   // the last message, an assistant's, is the beginning of the reply
	AddGenerationPrompt  *bool           `json:"add_generation_prompt" extensions:"x-nullable"`                            // vLLM's: false with continue_final_message, true without
	RecipeField
	SamplingFields
	ConstraintFields
}

// SamplingFields are what chat and text completions have in common.
type SamplingFields struct {
	Temperature       *float64            `json:"temperature" minimum:"0" maximum:"2" extensions:"x-nullable"`               // 0 is greedy; 1 if absent
	TopP              *float64            `json:"top_p" minimum:"0" maximum:"1" extensions:"x-nullable"`                     // above 0; 1 if absent
	Seed              *int64              `json:"seed" extensions:"x-nullable"`                                              // makes the reply reproducible
	TopK              *int                `json:"top_k" minimum:"-1" extensions:"x-nullable"`                                // only the k most probable tokens; 0, -1 or absent: all
	MinP              *float64            `json:"min_p" minimum:"0" maximum:"1" extensions:"x-nullable"`                     // only tokens of at least this share of the most probable one's probability
	TypicalP          *float64            `json:"typical_p" minimum:"0" maximum:"1" extensions:"x-nullable"`                 // above 0: locally typical tokens of this mass; 1 if absent
	PresencePenalty   *float64            `json:"presence_penalty" minimum:"-2" maximum:"2" extensions:"x-nullable"`         // subtracted from the logits of tokens that the reply has
	FrequencyPenalty  *float64            `json:"frequency_penalty" minimum:"-2" maximum:"2" extensions:"x-nullable"`        // subtracted for each time that the reply has a token
	RepetitionPenalty *float64            `json:"repetition_penalty" minimum:"0" maximum:"2" extensions:"x-nullable"`        // above 0: logits of tokens in prompt or reply are divided by it, negative ones multiplied; 1 if absent
	LogitBias         map[string]*float64 `json:"logit_bias" swaggertype:"object,number" extensions:"x-nullable"`            // token ids, written as strings, and what is added to their logits: -100 to 100
	MinTokens         *int                `json:"min_tokens" minimum:"0" extensions:"x-nullable"`                            // the reply does not end before it has so many
	Stop              json.RawMessage     `json:"stop" swaggertype:"array,string" extensions:"x-union=string|[]string|null"` // a string or a list; the reply ends before any of them
	StopTokenIDs      []*int64            `json:"stop_token_ids" swaggertype:"array,integer" extensions:"x-nullable"`        // the reply ends at any of these tokens
	IncludeStop       bool                `json:"include_stop_str_in_output"`                                                // the reply ends with the stop string, not before it
	N                 *int                `json:"n" minimum:"1" extensions:"x-nullable"`                                     // number of replies; 1 if absent
	UseBeamSearch     bool                `json:"use_beam_search"`                                                           // find the n most probable replies; n (or best_of) is the width, temperature 0, no stream
	LengthPenalty     *float64            `json:"length_penalty" extensions:"x-nullable"`                                    // of a beam search: above 0 favours long replies; 1 if absent
	EarlyStopping     bool                `json:"early_stopping"`                                                            // of a beam search: end at the first n whole replies
	IgnoreEOS         bool                `json:"ignore_eos"`                                                                // generate on to max_tokens
	Stream            bool                `json:"stream"`                                                                    // reply with server-sent events
	StreamOptions     *StreamOptions      `json:"stream_options" extensions:"x-nullable"`                                    // only with stream
}

// ChatMessage is one turn of a conversation.
type ChatMessage struct {
	Role       string          `json:"role" enums:"system,developer,user,assistant,tool"`
	Content    json.RawMessage `json:"content" swaggertype:"string" extensions:"x-union=string|[]object|null"` // a string, or a list of parts: {"type": "text", "text"} and, in turns of the user, {"type": "image_url", "image_url": {"url", "detail"}}; an assistant's may be null beside tool_calls
	ToolCalls  []ToolCall      `json:"tool_calls" extensions:"x-nullable"`                                     // of an assistant's turn: the calls that it asked for
	ToolCallID string          `json:"tool_call_id"`                                                           // of a tool's turn: the call that it answers

	FunctionCall json.RawMessage `json:"function_call" swaggerignore:"true"` // the older name of tool_calls; refused
}

// StreamOptions is OpenAI's stream_options.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"` // one more chunk, with the usage, before [DONE]
}

// ChatCompletion is the reply to POST /v1/chat/completions.
type ChatCompletion struct {
	ID                string       `json:"id"`
	Object            string       `json:"object" enums:"chat.completion"`
	Created           int64        `json:"created"`
	Model             string       `json:"model"`              // as it was asked for
	SystemFingerprint string       `json:"system_fingerprint"` // the model that an alias stood for, or the id of the recipe that came along
	Choices           []ChatChoice `json:"choices"`
	Usage             Usage        `json:"usage"`
}

// ChatChoice is one of the n replies.
type ChatChoice struct {
	Index        int           `json:"index"`
	Message      ReplyMessage  `json:"message"`
	Logprobs     *ChatLogprobs `json:"logprobs" extensions:"x-nullable"` // if asked for
	FinishReason string        `json:"finish_reason" enums:"stop,length,tool_calls"`
}

// ReplyMessage is the assistant's turn.
type ReplyMessage struct {
	Role      string     `json:"role" enums:"assistant"`
	Content   *string    `json:"content" extensions:"x-nullable"` // null if the reply is nothing but calls
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	Refusal   *string    `json:"refusal" swaggerignore:"true"` // always null
}

// ChatChunk is one event of a streamed chat.
type ChatChunk struct {
	ID                string          `json:"id"`
	Object            string          `json:"object" enums:"chat.completion.chunk"`
	Created           int64           `json:"created"`
	Model             string          `json:"model"`
	SystemFingerprint string          `json:"system_fingerprint"`
	Choices           []ChunkChoice   `json:"choices"`
	Usage             json.RawMessage `json:"usage,omitempty" swaggertype:"object"` // only with include_usage: null, and the Usage in the last chunk
}

// ChunkChoice is what a chunk adds to one of the n replies.
type ChunkChoice struct {
	Index        int           `json:"index"`
	Delta        Delta         `json:"delta"`
	Logprobs     *ChatLogprobs `json:"logprobs" extensions:"x-nullable"` // of the tokens of this chunk, if asked for
	FinishReason *string       `json:"finish_reason" extensions:"x-nullable"`
}

// Delta is the new part of a message: the role first, then text, at last nothing.
type Delta struct {
	Role      string          `json:"role,omitempty"`
	Content   *string         `json:"content,omitempty"`
	ToolCalls []ToolCallDelta `json:"tool_calls,omitempty"`
}

// Usage counts the tokens that the model saw and made.
type Usage struct {
	PromptTokens        int           `json:"prompt_tokens"`
	CompletionTokens    int           `json:"completion_tokens"`
	TotalTokens         int           `json:"total_tokens"`
	PromptTokensDetails PromptDetails `json:"prompt_tokens_details"`
}

// PromptDetails is OpenAI's prompt_tokens_details.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"` // prompt tokens that needed no work
}
