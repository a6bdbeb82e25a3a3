package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/mergeway/mergeway/fault"
)

// contentBlock is one part of a turn in Anthropic's terms.
type contentBlock struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text"`        // of a text
	ID        string          `json:"id"`          // of a tool_use
	Name      string          `json:"name"`        // of a tool_use
	Input     json.RawMessage `json:"input"`       // of a tool_use
	ToolUseID string          `json:"tool_use_id"` // of a tool_result
	Content   json.RawMessage `json:"content"`     // of a tool_result
}

// readBlocks reads a content: a string, which is one text block, or a list of
// blocks.
func readBlocks(raw json.RawMessage, param string) ([]contentBlock, error) {
	switch {
	case isNull(raw):
		return nil, fault.Bad(param, "%s is missing", param)
	case raw[0] == '"':
		block := contentBlock{Type: "text"}
		if err := json.Unmarshal(raw, &block.Text); err != nil {
			return nil, fault.Bad(param, "%s is not a string", param)
		}
		return []contentBlock{block}, nil
	case raw[0] != '[':
		return nil, fault.Bad(param, "%s must be a string or a list of blocks", param)
	}
	var blocks []contentBlock
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, fault.Bad(param, "%s has a block that is not an object with a type, or has a field of the wrong type", param)
	}
	if len(blocks) == 0 {
		return nil, fault.Bad(param, "%s is an empty list", param)
	}
	return blocks, nil
}

// readText reads a content that can be nothing but text, with a separator
// between its blocks.
func readText(raw json.RawMessage, param, separator string) (string, error) {
	blocks, err := readBlocks(raw, param)
	if err != nil {
		return "", err
	}
	texts := make([]string, len(blocks))
	for i, b := range blocks {
		at := fmt.Sprintf("%s[%d]", param, i)
		if b.Type != "text" {
			return "", b.refused(at)
		}
		if texts[i], err = b.text(at); err != nil {
			return "", err
		}
	}
	return strings.Join(texts, separator), nil
}

func (b contentBlock) text(param string) (string, error) {
	if b.Text == nil {
		return "", fault.Bad(param+".text", "%s has no text", param)
	}
	return *b.Text, nil
}

// refused says why a block can't stand where it stands.
func (b contentBlock) refused(param string) error {
	switch b.Type {
	case "image", "document":
		return fault.Bad(param, "%s is of type %s, and this model reads text only", param, b.Type)
	case "text", "tool_use", "tool_result", "thinking", "redacted_thinking":
		return fault.Bad(param+".type", "%s is of type %s, which can't stand here", param, b.Type)
	}
	return &fault.Error{Code: unsupported, Param: param + ".type", Message: fmt.Sprintf("%s has the type %q, which this server does not know", param, clip(b.Type, 40))}
}

// call gives a tool_use block as a call in chat's terms.
func (b contentBlock) call(param string) (ToolCall, error) {
	switch {
	case b.ID == "":
		return ToolCall{}, fault.Bad(param+".id", "%s has no id", param)
	case b.Name == "":
		return ToolCall{}, fault.Bad(param+".name", "%s has no name", param)
	case isNull(b.Input) || b.Input[0] != '{':
		return ToolCall{}, fault.Bad(param+".input", "%s.input must be an object", param)
	}
	return ToolCall{ID: b.ID, Type: "function", Function: FunctionCall{Name: b.Name, Arguments: string(b.Input)}}, nil
}

// turn is one message of a chat with the field that it came from.
type turn struct {
	role   string
	text   string
	calls  []ToolCall
	callID string // of a tool's turn
	from   string
}

// transcript is a conversation in chat's terms while it is put together.
type transcript []turn

// add appends a turn. What one role says in a row is one turn, as Anthropic has
// it: many templates insist that roles alternate.
func (t *transcript) add(next turn) {
	if n := len(*t); n > 0 && (*t)[n-1].role == next.role && next.role != "tool" {
		last := &(*t)[n-1]
		if last.text != "" && next.text != "" {
			last.text += "\n\n"
		}
		last.text += next.text
		last.calls = append(last.calls, next.calls...)
		return
	}
	*t = append(*t, next)
}

// user adds a user's turn. The results of tools in it are turns of their own.
func (t *transcript) user(blocks []contentBlock, param string) error {
	spoken := turn{role: "user", from: param}
	said := false // nothing but results is no turn of the user's
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content[%d]", param, i)
		switch b.Type {
		case "text":
			text, err := b.text(at)
			if err != nil {
				return err
			}
			spoken.text, said = spoken.text+text, true
		case "tool_result":
			result, err := b.result(at)
			if err != nil {
				return err
			}
			if said {
				t.add(spoken)
				spoken.text, said = "", false
			}
			t.add(result)
		default:
			return b.refused(at)
		}
	}
	if said {
		t.add(spoken)
	}
	return nil
}

// result gives a tool_result block as a turn. Whether it is an error, its text
// says; chat templates have no other place for that.
func (b contentBlock) result(param string) (turn, error) {
	r := turn{role: "tool", callID: b.ToolUseID, from: param}
	if b.ToolUseID == "" {
		return r, fault.Bad(param+".tool_use_id", "%s has no tool_use_id", param)
	}
	if isNull(b.Content) || isEmpty(b.Content) {
		return r, nil // a tool may have nothing to say
	}
	var err error
	r.text, err = readText(b.Content, param+".content", "")
	return r, err
}

// assistant adds an assistant's turn. What it thought before is left out, as
// Anthropic does.
func (t *transcript) assistant(blocks []contentBlock, param string) error {
	spoken := turn{role: "assistant", from: param}
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content[%d]", param, i)
		switch b.Type {
		case "text":
			text, err := b.text(at)
			if err != nil {
				return err
			}
			spoken.text += text
		case "tool_use":
			call, err := b.call(at)
			if err != nil {
				return err
			}
			spoken.calls = append(spoken.calls, call)
		case "thinking", "redacted_thinking":
		default:
			return b.refused(at)
		}
	}
	t.add(spoken)
	return nil
}

// continued tells whether the last turn is the beginning of the reply, which the
// model is to go on with; one without a word is left out.
func (t *transcript) continued() (bool, error) {
	n := len(*t)
	if n == 0 || (*t)[n-1].role != "assistant" {
		return false, nil
	}
	last := (*t)[n-1]
	switch {
	case len(last.calls) > 0:
		return false, fault.Bad(last.from, "%s calls tools, and no tool_result answers", last.from)
	case last.text == "":
		*t = (*t)[:n-1]
		return false, nil
	case strings.TrimRightFunc(last.text, unicode.IsSpace) != last.text:
		return false, fault.Bad(last.from+".content", "%s.content ends with white space: the beginning of a reply must not", last.from)
	}
	return true, nil
}

// messages gives the conversation as chat's messages.
func (t transcript) messages() ([]ChatMessage, error) {
	out := make([]ChatMessage, len(t))
	for i, turn := range t {
		out[i] = ChatMessage{Role: turn.role, ToolCalls: turn.calls, ToolCallID: turn.callID}
		if turn.text == "" && len(turn.calls) > 0 {
			continue
		}
		var err error
		if out[i].Content, err = json.Marshal(turn.text); err != nil {
			return nil, err
		}
	}
	return out, nil
}
