package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mergeway/mergeway/fault"
)

// text reads a message's content: a string, or a list of text parts.
func (m ChatMessage) text(param string) (string, error) {
	param += ".content"
	switch {
	case isNull(m.Content) && len(m.ToolCalls) > 0:
		return "", nil
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
