package infer

import (
	"math"

	"github.com/mergeway/mergeway/fault"
)

// Sampling says how tokens are picked and when to stop. The zero value is greedy
// and goes on until the model ends or its context is full.
//
// What is done to the logits, in this order: tokens that may not come are taken
// out (MinTokens, Constraint), LogitBias is added, then repetition, presence and
// frequency penalties; temperature; then min_p, top_k, typical_p and top_p each
// narrow the choice further. The names and meanings are those of vLLM and
// transformers.
type Sampling struct {
	MaxTokens         int               // longest reply; 0: as long as the context allows
	MinTokens         int               // no end before so many tokens
	Temperature       float64           // 0: greedy
	TopP              float64           // nucleus; 0 and 1: everything
	TopK              int               // only the k most probable; 0: all
	MinP              float64           // only those of at least this share of the most probable one's probability
	TypicalP          float64           // locally typical ones of this mass; 0 and 1: all
	PresencePenalty   float64           // subtracted once from tokens that the reply has
	FrequencyPenalty  float64           // subtracted for each time that the reply has a token
	RepetitionPenalty float64           // logits of tokens in prompt or reply are divided by it, negative ones multiplied; 0 and 1: none
	LogitBias         map[int32]float32 // added to tokens' logits
	Seed              *uint64           // same seed, same tokens; nil: a random one
	Stop              []string          // a reply ends before any of these
	StopTokenIDs      []int32           // a reply ends at any of these
	IncludeStop       bool              // the reply has the stop string at its end
	IgnoreEOS         bool              // go on after the end-of-sequence token
	Logprobs          bool              // give the log probability of each token
	TopLogprobs       int               // and of so many of the most probable ones
	Constraint        Constraint        // what a reply may be; nil: anything
}

// Constraint is a grammar that replies must follow.
type Constraint interface {
	NewMatcher() (Matcher, error)
}

// Matcher follows one reply through a grammar.
type Matcher interface {
	// Mask has bit id%32 of word id/32 set for each token that may come next.
	Mask() ([]uint32, error)
	// Accept takes the next token.
	Accept(token int32) error
	// Stopped tells that the reply is complete and nothing may follow.
	Stopped() bool
	Close()
}

// Bounds of sampling.
const (
	MaxTopLogprobs = 20   // alternatives to each token
	maxBias        = 100  // of a logit bias, as OpenAI has it
	maxPenalty     = 2    // of presence and frequency, as OpenAI has it
	maxBiased      = 1024 // tokens with a bias
	maxStopTokens  = 256  // token ids that end a reply
)

// onDevice tells whether the device's own choice, the most probable token, will
// do: nothing is drawn, changed or reported.
func (s Sampling) onDevice() bool {
	return s.Temperature == 0 && !s.Logprobs && !s.reshapes()
}

// reshapes tells whether logits are changed before anything is picked.
func (s Sampling) reshapes() bool {
	return len(s.LogitBias) > 0 || s.penalises() || s.MinTokens > 0 || s.Constraint != nil
}

func (s Sampling) penalises() bool {
	return s.PresencePenalty != 0 || s.FrequencyPenalty != 0 || s.repeats()
}

func (s Sampling) repeats() bool { return s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1 }

// validate checks all fields against a vocabulary; errors name the field as
// OpenAI's and vLLM's APIs do.
func (s Sampling) validate(vocab int) error {
	for _, f := range []struct {
		param      string
		value      float64
		least, top float64
	}{
		{"max_tokens", float64(s.MaxTokens), 0, math.MaxInt32},
		{"min_tokens", float64(s.MinTokens), 0, math.MaxInt32},
		{"temperature", s.Temperature, 0, math.MaxFloat32},
		{"top_p", s.TopP, 0, 1},
		{"top_k", float64(s.TopK), 0, math.MaxInt32},
		{"min_p", s.MinP, 0, 1},
		{"typical_p", s.TypicalP, 0, 1},
		{"presence_penalty", s.PresencePenalty, -maxPenalty, maxPenalty},
		{"frequency_penalty", s.FrequencyPenalty, -maxPenalty, maxPenalty},
		{"repetition_penalty", s.RepetitionPenalty, 0, maxPenalty},
		{"top_logprobs", float64(s.TopLogprobs), 0, MaxTopLogprobs},
	} {
		if !(f.value >= f.least && f.value <= f.top) { // not a number is refused, too
			return fault.Bad(f.param, "%s is %v: it must be between %v and %v", f.param, f.value, f.least, f.top)
		}
	}
	if s.MaxTokens > 0 && s.MinTokens > s.MaxTokens {
		return fault.Bad("min_tokens", "min_tokens is %d and max_tokens %d: no reply can have both", s.MinTokens, s.MaxTokens)
	}
	if len(s.LogitBias) > maxBiased {
		return fault.Bad("logit_bias", "logit_bias has %d tokens: at most %d", len(s.LogitBias), maxBiased)
	}
	if len(s.StopTokenIDs) > maxStopTokens {
		return fault.Bad("stop_token_ids", "%d stop_token_ids: at most %d", len(s.StopTokenIDs), maxStopTokens)
	}
	for id, bias := range s.LogitBias {
		if id < 0 || int(id) >= vocab {
			return fault.Bad("logit_bias", "logit_bias: token %d is not in the vocabulary of %d", id, vocab)
		}
		if !(bias >= -maxBias && bias <= maxBias) {
			return fault.Bad("logit_bias", "logit_bias of token %d is %v: it must be between %d and %d", id, bias, -maxBias, maxBias)
		}
	}
	for _, id := range s.StopTokenIDs {
		if id < 0 || int(id) >= vocab {
			return fault.Bad("stop_token_ids", "stop_token_ids: token %d is not in the vocabulary of %d", id, vocab)
		}
	}
	return nil
}

// validate checks a request against its model and the longest context that it is
// served with, and gives the number of tokens the reply may have.
func (r Request) validate(m *Model, context int) (int, error) {
	config := m.Weights.Config()
	least := 1 // token of a reply
	if r.NoReply {
		least = 0
	}
	switch {
	case len(r.Prompt) == 0:
		return 0, fault.Bad("messages", "the prompt has no tokens")
	case len(r.Prompt)+least > context:
		return 0, &fault.Error{Code: fault.Invalid, Param: "messages", Err: ErrContextLength,
			Message: fault.New(fault.Invalid, "the prompt has %d tokens, and with the reply %d fit this model's context", len(r.Prompt), context).Message}
	}
	if err := r.Sampling.validate(config.VocabSize); err != nil {
		return 0, err
	}
	for _, id := range r.Prompt {
		if len(r.Pictures) > 0 && id == m.Vision.Config().ImageTokenID {
			continue // which a vocabulary without pictures need not have
		}
		if id < 0 || int(id) >= config.VocabSize {
			return 0, fault.Bad("prompt", "token %d is not in the vocabulary of %d", id, config.VocabSize)
		}
	}
	if r.NoReply {
		return 0, nil
	}
	longest := context - len(r.Prompt)
	if r.Sampling.MaxTokens > 0 {
		longest = min(longest, r.Sampling.MaxTokens)
	}
	return longest, nil
}
