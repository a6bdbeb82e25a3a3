package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// Bounds that OpenAI's API fixes.
const (
	maxTemperature     = 2
	defaultTemperature = 1
	defaultTopP        = 1
)

// sampling checks the fields that chat and completions share and gives the
// engine's terms for one choice, and the number of choices.
func (f SamplingFields) sampling(l Limits) (infer.Sampling, int, error) {
	s := infer.Sampling{Temperature: defaultTemperature, TopP: defaultTopP, IgnoreEOS: f.IgnoreEOS}
	if f.Temperature != nil {
		s.Temperature = *f.Temperature
	}
	if !(s.Temperature >= 0 && s.Temperature <= maxTemperature) {
		return s, 0, fault.Bad("temperature", "temperature is %v: it must be between 0 and %d", s.Temperature, maxTemperature)
	}
	if f.TopP != nil {
		s.TopP = *f.TopP
	}
	if !(s.TopP > 0 && s.TopP <= 1) {
		return s, 0, fault.Bad("top_p", "top_p is %v: it must be above 0 and at most 1", s.TopP)
	}
	if f.Seed != nil {
		seed := uint64(*f.Seed)
		s.Seed = &seed
	}
	stop, err := stopStrings(f.Stop, l)
	if err != nil {
		return s, 0, err
	}
	s.Stop = stop
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

// wantsUsage tells whether a stream ends with a usage chunk.
func (f SamplingFields) wantsUsage() bool {
	return f.StreamOptions != nil && f.StreamOptions.IncludeUsage
}

// maxTokens checks one of the fields that bound the reply's length.
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

// text reads a message's content: a string, or a list of text parts.
func (m ChatMessage) text(param string) (string, error) {
	if !isNull(m.ToolCalls) && !isEmpty(m.ToolCalls) {
		return "", &fault.Error{Code: unsupported, Param: param + ".tool_calls", Message: "tool calls are not supported by this server"}
	}
	param += ".content"
	switch {
	case isNull(m.Content):
		return "", fault.Bad(param, "%s is missing: only a tool call may come without content", param)
	case m.Content[0] == '"':
		var text string
		if err := json.Unmarshal(m.Content, &text); err != nil {
			return "", fault.Bad(param, "%s is not a string", param)
		}
		return text, nil
	case m.Content[0] == '[':
		return joinParts(m.Content, param)
	}
	return "", fault.Bad(param, "%s must be a string or a list of parts", param)
}

// joinParts puts a list of text parts together; nothing stands between them.
func joinParts(raw json.RawMessage, param string) (string, error) {
	var parts []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", fault.Bad(param, "%s has a part that is not an object with type and text", param)
	}
	if len(parts) == 0 {
		return "", fault.Bad(param, "%s is an empty list", param)
	}
	var text bytes.Buffer
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", param, i)
		switch {
		case p.Type == "text" && p.Text != nil:
			text.WriteString(*p.Text)
		case p.Type == "text":
			return "", fault.Bad(at+".text", "%s has no text", at)
		case p.Type == "image_url" || p.Type == "input_audio" || p.Type == "file":
			return "", fault.Bad(at, "%s is of type %s, and this model reads text only", at, p.Type)
		default:
			return "", fault.Bad(at+".type", "%s has the unknown type %q", at, clip(p.Type, 40))
		}
	}
	return text.String(), nil
}
