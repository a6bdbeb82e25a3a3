package gateway

import "encoding/json"

// CompletionRequest is the body of POST /v1/completions.
type CompletionRequest struct {
	Model     string          `json:"model" binding:"required" example:"base"`        // a source, alias or recipe, by name, id or digest
	Prompt    json.RawMessage `json:"prompt" swaggertype:"string"`                    // a string, a list of strings, a list of token ids, or a list of lists of ids
	MaxTokens *int            `json:"max_tokens" minimum:"1" extensions:"x-nullable"` // most tokens of each reply; 16 if absent
	SamplingFields
}

// Completion is the reply to POST /v1/completions, whole or a chunk of it.
type Completion struct {
	ID                string             `json:"id"`
	Object            string             `json:"object" enums:"text_completion"`
	Created           int64              `json:"created"`
	Model             string             `json:"model"`              // as it was asked for
	SystemFingerprint string             `json:"system_fingerprint"` // the model that an alias stood for
	Choices           []CompletionChoice `json:"choices"`
	Usage             json.RawMessage    `json:"usage,omitempty" swaggertype:"object"` // a Usage; in a stream only with include_usage: null, and the Usage in the last chunk
}

// CompletionChoice is one reply: prompt by prompt, n for each.
type CompletionChoice struct {
	Index        int       `json:"index"`
	Text         string    `json:"text"`
	Logprobs     *struct{} `json:"logprobs" swaggerignore:"true"` // always null
	FinishReason *string   `json:"finish_reason" extensions:"x-nullable"`
}
