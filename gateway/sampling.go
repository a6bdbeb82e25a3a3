package gateway

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// Bounds that OpenAI's API fixes.
const (
	maxTemperature     = 2
	maxPenalty         = 2
	defaultTemperature = 1
	defaultTopP        = 1
)

// sampling checks the fields that chat and completions share and gives the
// engine's terms for one choice, and the number of choices.
func (f SamplingFields) sampling(l Limits) (infer.Sampling, int, error) {
	s := infer.Sampling{Temperature: defaultTemperature, TopP: defaultTopP, IncludeStop: f.IncludeStop, IgnoreEOS: f.IgnoreEOS}
	if f.UseBeamSearch {
		s.Temperature = 0
	}
	if err := f.numbers(&s); err != nil {
		return s, 0, err
	}
	if f.TopK != nil {
		s.TopK = max(0, *f.TopK) // vLLM's "all" is -1, transformers' is 0
		if *f.TopK < -1 || *f.TopK > math.MaxInt32 {
			return s, 0, fault.Bad("top_k", "top_k is %d: it must be a number of tokens, or 0 or -1 for all", *f.TopK)
		}
	}
	if err := maxTokens("min_tokens", f.MinTokens, 0, l); err != nil {
		return s, 0, err
	}
	if f.MinTokens != nil {
		s.MinTokens = *f.MinTokens
	}
	if f.Seed != nil {
		seed := uint64(*f.Seed)
		s.Seed = &seed
	}
	var err error
	if s.LogitBias, err = logitBias(f.LogitBias, l); err != nil {
		return s, 0, err
	}
	if s.Stop, err = stopStrings(f.Stop, l); err != nil {
		return s, 0, err
	}
	if s.StopTokenIDs, err = stopTokens(f.StopTokenIDs, l); err != nil {
		return s, 0, err
	}
	n := 1
	if f.N != nil {
		n = *f.N
	}
	if n < 1 || n > l.Choices {
		return s, 0, fault.Bad("n", "n is %d: it must be between 1 and %d", n, l.Choices)
	}
	if f.StreamOptions != nil && !f.Stream {
		return s, 0, fault.Bad("stream_options", "stream_options is only for requests with stream: true")
	}
	return s, n, nil
}

// numbers checks the fields that are fractions, and keeps those that are given.
func (f SamplingFields) numbers(s *infer.Sampling) error {
	for _, field := range []struct {
		param       string
		value       *float64
		into        *float64
		least, most float64
		open        bool // least itself is too little
	}{
		{"temperature", f.Temperature, &s.Temperature, 0, maxTemperature, false},
		{"top_p", f.TopP, &s.TopP, 0, 1, true},
		{"min_p", f.MinP, &s.MinP, 0, 1, false},
		{"typical_p", f.TypicalP, &s.TypicalP, 0, 1, true},
		{"presence_penalty", f.PresencePenalty, &s.PresencePenalty, -maxPenalty, maxPenalty, false},
		{"frequency_penalty", f.FrequencyPenalty, &s.FrequencyPenalty, -maxPenalty, maxPenalty, false},
		{"repetition_penalty", f.RepetitionPenalty, &s.RepetitionPenalty, 0, maxPenalty, true},
	} {
		if field.value == nil {
			continue
		}
		v := *field.value
		switch {
		case field.open && !(v > field.least && v <= field.most):
			return fault.Bad(field.param, "%s is %v: it must be above %v and at most %v", field.param, v, field.least, field.most)
		case !(v >= field.least && v <= field.most):
			return fault.Bad(field.param, "%s is %v: it must be between %v and %v", field.param, v, field.least, field.most)
		}
		*field.into = v
	}
	return nil
}

// wantsUsage tells whether a stream ends with a usage chunk.
func (f SamplingFields) wantsUsage() bool {
	return f.StreamOptions != nil && f.StreamOptions.IncludeUsage
}

// maxTokens checks one of the fields that bound a reply's length.
func maxTokens(param string, value *int, least int, l Limits) error {
	if value != nil && (*value < least || *value > l.MaxTokens) {
		return fault.Bad(param, "%s is %d: it must be between %d and %d", param, *value, least, l.MaxTokens)
	}
	return nil
}

// stopStrings reads a string, a list of strings, or nothing.
func stopStrings(raw json.RawMessage, l Limits) ([]string, error) {
	var list []string
	switch {
	case isNull(raw):
		return nil, nil
	case raw[0] == '"':
		list = make([]string, 1)
		if err := json.Unmarshal(raw, &list[0]); err != nil {
			return nil, fault.Bad("stop", "stop is not a string")
		}
	default:
		var entries []*string // pointers, so that null is seen and refused
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, fault.Bad("stop", "stop must be a string or a list of strings")
		}
		for i, s := range entries {
			if s == nil {
				return nil, fault.Bad(fmt.Sprintf("stop[%d]", i), "a stop string is null")
			}
			list = append(list, *s)
		}
	}
	if len(list) > l.Stops {
		return nil, fault.Bad("stop", "%d stop strings: at most %d", len(list), l.Stops)
	}
	for i, s := range list {
		if s == "" || len(s) > l.StopBytes {
			return nil, fault.Bad(fmt.Sprintf("stop[%d]", i), "a stop string has %d bytes: it must have 1 to %d", len(s), l.StopBytes)
		}
	}
	return list, nil
}

// forChoice gives choice i of a request its own randomness. The first choice
// keeps the seed, so that n: 1 and the first of many agree.
func forChoice(s infer.Sampling, i int) infer.Sampling {
	if s.Seed != nil && i > 0 {
		seed := *s.Seed + uint64(i)*seedStride
		s.Seed = &seed
	}
	return s
}

// seedStride spreads the seeds of one request's choices: 2^64 over the golden
// ratio, so that neighbouring requests' seeds don't meet.
var seedStride = uint64(math.Floor(math.MaxUint64/math.Phi)) | 1
