package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

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
	Source    json.RawMessage `json:"source"`      // of an image
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
	case "document":
		return fault.Bad(param, "%s is of type %s, and this server reads text and images only", param, b.Type)
	case "image", "text", "tool_use", "tool_result", "thinking", "redacted_thinking":
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
	param += ".content"
	blocks, err := readBlocks(b.Content, param)
	if err != nil {
		return r, err
	}
	var said speech
	for i, b := range blocks {
		at := fmt.Sprintf("%s[%d]", param, i)
		if b.Type != "text" && b.Type != "image" {
			return r, b.refused(at)
		}
		if err := said.add(b, at); err != nil {
			return r, err
		}
	}
	r.said = said
	return r, nil
}
