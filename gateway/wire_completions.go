package gateway

import "encoding/json"

// CompletionRequest is the body of POST /v1/completions.
type CompletionRequest struct {
	Model     string          `json:"model" example:"base"`                                                                   // a source, alias or recipe, by name, id or digest; a mere label, or absent, beside recipe
	Prompt    json.RawMessage `json:"prompt" swaggertype:"string" extensions:"x-union=string|[]string|[]integer|[][]integer"` // a string, a list of strings, a list of token ids, or a list of lists of ids
	MaxTokens *int            `json:"max_tokens" minimum:"0" extensions:"x-nullable"`                                         // most tokens of each reply; 16 if absent; 0 only with echo
	Echo      bool            `json:"echo"`                                                                                   // the prompt goes before the reply, in text and logprobs
	Logprobs  *int            `json:"logprobs" minimum:"0" maximum:"20" extensions:"x-nullable"`                              // give the log probability of each token, and of so many of the most probable ones
	BestOf    *int            `json:"best_of" minimum:"1" extensions:"x-nullable"`                                            // generate so many, and give the n of the highest log probability per token; not below n, not above it with stream
	RecipeField
	SamplingFields
	ConstraintFields
}

// Completion is the reply to POST /v1/completions, whole or a chunk of it.
type Completion struct {
	ID                string             `json:"id"`
	Object            string             `json:"object" enums:"text_completion"`
	Created           int64              `json:"created"`
	Model             string             `json:"model"`              // as it was asked for
	SystemFingerprint string             `json:"system_fingerprint"` // the model that an alias stood for, or the id of the recipe that came along
	Choices           []CompletionChoice `json:"choices"`
	Usage             json.RawMessage    `json:"usage,omitempty" swaggertype:"object"` // a Usage; in a stream only with include_usage: null, and the Usage in the last chunk
}

// CompletionChoice is one reply: prompt by prompt, n for each.
type CompletionChoice struct {
	Index        int                 `json:"index"`
	Text         string              `json:"text"`                             // the text that follows the prompt; after it with echo
	Logprobs     *CompletionLogprobs `json:"logprobs" extensions:"x-nullable"` // if asked for; in a stream of the tokens of this chunk
	FinishReason *string             `json:"finish_reason" extensions:"x-nullable"`
}
