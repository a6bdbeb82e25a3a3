package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// content is what a turn says and shows: text, or parts if there are pictures
// among them, and then where those come from.
type content struct {
	text     string
	parts    []chat.Part
	pictures []shownPicture
}

// words is how long the texts are, in bytes.
func (c content) words() int {
	n := len(c.text)
	for _, p := range c.parts {
		n += len(p.Text)
	}
	return n
}

// contentPart is one of a list in a request.
type contentPart struct {
	Type     string          `json:"type"`
	Text     *string         `json:"text"`
	ImageURL json.RawMessage `json:"image_url"`
}

// read gives the content of a turn; param names the turn.
func (m ChatMessage) read(param string) (content, error) {
	param += ".content"
	switch {
	case isNull(m.Content) && len(m.ToolCalls) > 0:
		return content{}, nil
	case isNull(m.Content):
		return content{}, fault.Bad(param, "%s is missing: only a tool call may come without content", param)
	case m.Content[0] == '"':
		var c content
		if err := json.Unmarshal(m.Content, &c.text); err != nil {
			return c, fault.Bad(param, "%s is not a string", param)
		}
		return c, nil
	case m.Content[0] == '[':
		return readContentParts(m.Content, param, m.Role)
	}
	return content{}, fault.Bad(param, "%s must be a string or a list of parts", param)
}

// readContentParts reads a list of parts of a role's turn. Those that are text are
// put together where there is no picture between them; nothing stands between them.
func readContentParts(raw json.RawMessage, param, role string) (content, error) {
	var parts []contentPart
	var c content
	if err := json.Unmarshal(raw, &parts); err != nil {
		return c, fault.Bad(param, "%s has a part that is not an object with type and text", param)
	}
	if len(parts) == 0 {
		return c, fault.Bad(param, "%s is an empty list", param)
	}
	var text strings.Builder
	say := func() {
		if text.Len() > 0 {
			c.parts = append(c.parts, chat.Part{Text: text.String()})
			text.Reset()
		}
	}
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", param, i)
		switch {
		case p.Type == "text" && p.Text != nil:
			text.WriteString(*p.Text)
		case p.Type == "text":
			return c, fault.Bad(at+".text", "%s has no text", at)
		case p.Type == "image_url" && role != "user" && role != "tool":
			return c, fault.Bad(at, "%s is a picture: only turns of the user have any", at)
		case p.Type == "image_url":
			shown, err := readImageURL(p.ImageURL, at)
			if err != nil {
				return c, err
			}
			say()
			c.parts = append(c.parts, chat.Part{Picture: true})
			c.pictures = append(c.pictures, shown)
		case p.Type == "input_audio" || p.Type == "file":
			return c, fault.Bad(at, "%s is of type %s, and this server reads text and pictures only", at, p.Type)
		default:
			return c, fault.Bad(at+".type", "%s has the unknown type %q", at, clip(p.Type, 40))
		}
	}
	if len(c.pictures) == 0 {
		c.text, c.parts = text.String(), nil
		return c, nil
	}
	say()
	return c, nil
}

// shownPicture is where a request has a picture, and which.
type shownPicture struct {
	part  string // the part of a turn that it is
	param string // the field with its address
	url   string // a data URI, or where to fetch it
	low   bool   // the whole picture is enough, without the tiles that show more
}

// readImageURL reads the image_url of a part: an address, or an object with one.
func readImageURL(raw json.RawMessage, part string) (shownPicture, error) {
	at := part + ".image_url"
	p := shownPicture{part: part, param: at}
	if isNull(raw) {
		return p, fault.Bad(at, "%s is missing", at)
	}
	var detail *string
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &p.url); err != nil {
			return p, fault.Bad(at, "%s is not a string", at)
		}
	} else {
		var object struct {
			URL    *string `json:"url"`
			Detail *string `json:"detail"`
		}
		if err := json.Unmarshal(raw, &object); err != nil {
			return p, fault.Bad(at, "%s must be a string, or an object with url and detail, both strings", at)
		}
		p.param += ".url"
		if object.URL == nil {
			return p, fault.Bad(p.param, "%s is missing", p.param)
		}
		p.url, detail = *object.URL, object.Detail
	}
	if p.url == "" {
		return p, fault.Bad(p.param, "%s is empty", p.param)
	}
	if detail != nil {
		switch *detail {
		case "auto", "high":
		case "low":
			p.low = true
		default:
			return p, fault.Bad(at+".detail", "%s.detail is %q: it must be low, high or auto", at, clip(*detail, 40))
		}
	}
	return p, nil
}
