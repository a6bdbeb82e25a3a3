package gateway

// ChatLogprobs are the log probabilities of a chat reply's tokens.
type ChatLogprobs struct {
	Content []ChatTokenLogprob `json:"content"`                      // token by token; the one that ended the reply is left out
	Refusal *struct{}          `json:"refusal" swaggerignore:"true"` // always null
}

// ChatTokenLogprob is a token of the reply, with its alternatives.
type ChatTokenLogprob struct {
	ChatTopLogprob
	TopLogprobs []ChatTopLogprob `json:"top_logprobs"` // the most probable tokens at this place, most probable first
}

// ChatTopLogprob is a token with its log probability.
type ChatTopLogprob struct {
	Token   string  `json:"token"`                     // its text; U+FFFD stands for bytes that are a part of a character
	Logprob float32 `json:"logprob" example:"-0.0125"` // natural logarithm of the probability that the model gave it; -9999 at the least
	Bytes   []int   `json:"bytes"`                     // what it really stands for, in UTF-8
}

// CompletionLogprobs are the log probabilities of a completion's tokens, and of
// its prompt's if that is echoed. The four lists are equally long.
type CompletionLogprobs struct {
	Tokens        []string             `json:"tokens"`         // their texts; "bytes:\xe3" for a part of a character
	TokenLogprobs []*float32           `json:"token_logprobs"` // natural logarithms; null for the first token of a prompt
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`   // the most probable tokens at each place and the one that came; null for the first token of a prompt
	TextOffset    []int                `json:"text_offset"`    // where each token begins in the choice's text, in characters
}
