package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// toolTurns follows the calls of a conversation, so that results can be told whose
// they are.
type toolTurns struct {
	limits Limits
	names  map[string]string // the function of each call so far, by the call's id
}

// calls reads those of an assistant's turn.
func (t *toolTurns) calls(m ChatMessage, at string) ([]chat.ToolCall, error) {
	at += ".tool_calls"
	switch {
	case len(m.ToolCalls) == 0:
		return nil, nil
	case m.Role != "assistant":
		return nil, fault.Bad(at, "%s is only for the assistant's turns", at)
	case len(m.ToolCalls) > t.limits.ToolCalls:
		return nil, fault.Bad(at, "%s has %d calls: at most %d", at, len(m.ToolCalls), t.limits.ToolCalls)
	}
	calls := make([]chat.ToolCall, len(m.ToolCalls))
	for i, c := range m.ToolCalls {
		at := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case c.Type != "function" && c.Type != "": // which some clients leave out
			return nil, &fault.Error{Code: unsupported, Param: at + ".type", Message: fmt.Sprintf("%s.type is %q: only functions are supported", at, clip(c.Type, 40))}
		case c.ID == "" || len(c.ID) > t.limits.NameBytes:
			return nil, fault.Bad(at+".id", "%s.id has %d bytes: there must be 1 to %d", at, len(c.ID), t.limits.NameBytes)
		}
		if err := checkFunctionName(at+".function.name", c.Function.Name); err != nil {
			return nil, err
		}
		arguments, err := t.arguments(c.Function.Arguments, at+".function.arguments")
		if err != nil {
			return nil, err
		}
		t.names[c.ID] = c.Function.Name
		calls[i] = chat.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: arguments}
	}
	return calls, nil
}

// arguments checks those of a call: templates want an object.
func (t *toolTurns) arguments(text, at string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" { // as some models leave them, and clients send them back
		return "{}", nil
	}
	if text[0] != '{' || !json.Valid([]byte(text)) {
		return "", fault.Bad(at, "%s must be a JSON object, written as a string", at)
	}
	if depth := jsonDepth([]byte(text)); depth > t.limits.ToolDepth {
		return "", fault.Bad(at, "%s nests %d deep: at most %d", at, depth, t.limits.ToolDepth)
	}
	return text, nil
}

// answers finds the function whose call a tool's turn answers.
func (t *toolTurns) answers(m ChatMessage, at string) (name string, err error) {
	at += ".tool_call_id"
	switch {
	case m.Role != "tool" && m.ToolCallID == "":
		return "", nil
	case m.Role != "tool":
		return "", fault.Bad(at, "%s is only for the turns of tools", at)
	case m.ToolCallID == "":
		return "", fault.Bad(at, "%s is missing: it says which call this answers", at)
	}
	name, known := t.names[m.ToolCallID]
	if !known {
		return "", fault.Bad(at, "%s is %q, which is the id of no call before it", at, clip(m.ToolCallID, 80))
	}
	return name, nil
}
