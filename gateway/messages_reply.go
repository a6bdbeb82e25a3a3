package gateway

import (
	"encoding/json"

	"github.com/mergeway/mergeway/infer"
)

// fill puts what came of a job into a reply that may have so many tokens.
func (m *Message) fill(all outcome, most int) {
	result := all.results[0]
	if result.Text != "" {
		m.Content = append(m.Content, MessageBlock{Type: "text", Text: &result.Text})
	}
	if all.calls != nil {
		for _, call := range all.calls[0] {
			m.Content = append(m.Content, MessageBlock{Type: "tool_use", ID: call.ID, Name: call.Function.Name, Input: toolInput(call.Function.Arguments)})
		}
	}
	m.Usage = messageUsage(all.usage)
	reason, sequence := stopReason(result.FinishReason, result.Stop, m.Usage.OutputTokens < most)
	m.StopReason, m.StopSequence = &reason, sequence
}

// toolInput is the input of a call. What a model wrote may have been cut short;
// then the reply says so where a client expects an object.
func toolInput(arguments string) json.RawMessage {
	if arguments == "" {
		return json.RawMessage("{}")
	}
	if raw := json.RawMessage(arguments); json.Valid(raw) && raw[0] == '{' {
		return raw
	}
	text, _ := json.Marshal(map[string]string{"INVALID_JSON": arguments}) // a map of strings always encodes
	return text
}

// messageUsage tells what a request cost in Anthropic's terms.
func messageUsage(u Usage) MessageUsage {
	cached := u.PromptTokensDetails.CachedTokens
	return MessageUsage{InputTokens: u.PromptTokens - cached, CacheReadTokens: cached, OutputTokens: u.CompletionTokens}
}

// stopReason gives Anthropic's name for why a reply ended, and the stop sequence
// that ended it. short says that the reply has fewer tokens than it might have had.
func stopReason(finish, stop string, short bool) (reason string, sequence *string) {
	switch {
	case finish == finishCalls:
		return "tool_use", nil
	case finish == infer.FinishLength && short:
		return "model_context_window_exceeded", nil
	case finish == infer.FinishLength:
		return "max_tokens", nil
	case stop != "":
		return "stop_sequence", &stop
	}
	return "end_turn", nil
}
