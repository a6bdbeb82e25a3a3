package infer

import (
	"math"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Model is what a request is answered with.
type Model struct {
	Name      string
	Weights   *Weights
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template
}

// Sampling says how tokens are picked and when to stop.
type Sampling struct {
	MaxTokens   int      // longest reply; 0: as long as the context allows
	Temperature float64  // 0: greedy
	TopP        float64  // nucleus; 0 and 1: everything
	Seed        *uint64  // same seed, same tokens; nil: a random one
	Stop        []string // a reply ends before any of these
	IgnoreEOS   bool     // go on after the end-of-sequence token
}

// Request is one prompt to be continued.
type Request struct {
	Prompt     []int32 // token ids
	Sampling   Sampling
	Background bool // a search's; users' requests go first
}

// Chunk is a piece of a streamed reply.
type Chunk struct {
	Text         string // whole characters; may be empty
	Tokens       int    // completion tokens so far
	FinishReason string // "" until the last chunk, then "stop" or "length"
	Err          error  // set on the last chunk if generation failed
}

// Result is a whole reply.
type Result struct {
	Text             string
	PromptTokens     int
	CompletionTokens int
	FinishReason     string // "stop" or "length"
}

// Finish reasons, in OpenAI's words.
const (
	FinishStop   = "stop"
	FinishLength = "length"
)

// validate checks a request against its model and the longest context the
// engine serves, and gives the number of tokens the reply may have.
func (r Request) validate(m *Model, maxContext int) (int, error) {
	config := m.Weights.Config()
	context := config.MaxPositionEmbeddings
	if maxContext > 0 {
		context = min(context, maxContext)
	}
	s := r.Sampling
	switch {
	case len(r.Prompt) == 0:
		return 0, fault.Bad("messages", "the prompt has no tokens")
	case len(r.Prompt) >= context:
		return 0, &fault.Error{Code: fault.Invalid, Param: "messages", Err: ErrContextLength,
			Message: fault.New(fault.Invalid, "the prompt has %d tokens, and with the reply %d fit this model's context", len(r.Prompt), context).Message}
	case s.MaxTokens < 0:
		return 0, fault.Bad("max_tokens", "max_tokens is %d; it can't be negative", s.MaxTokens)
	case math.IsNaN(s.Temperature) || s.Temperature < 0 || math.IsInf(s.Temperature, 0):
		return 0, fault.Bad("temperature", "temperature is %g; it can't be negative", s.Temperature)
	case math.IsNaN(s.TopP) || s.TopP < 0 || s.TopP > 1:
		return 0, fault.Bad("top_p", "top_p is %g; it lies between 0 and 1", s.TopP)
	}
	for _, id := range r.Prompt {
		if id < 0 || int(id) >= config.VocabSize {
			return 0, fault.Bad("prompt", "token %d is not in the vocabulary of %d", id, config.VocabSize)
		}
	}
	longest := context - len(r.Prompt)
	if s.MaxTokens > 0 {
		longest = min(longest, s.MaxTokens)
	}
	return longest, nil
}
