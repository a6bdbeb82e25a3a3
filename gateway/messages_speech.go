package gateway

import (
	"encoding/json"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// speech is what a turn says and shows, block by block. None of its texts is
// empty, and no two of them follow each other.
type speech []spokenBlock

// spokenBlock is a text, or an image.
type spokenBlock struct {
	words string
	image string // its address; "": this is a text
	block string // the block that it came from
	field string // the field there with the image
}

// shows tells whether there are images.
func (s speech) shows() bool {
	for _, b := range s {
		if b.image != "" {
			return true
		}
	}
	return false
}

// text adds one, right after what was said before.
func (s *speech) text(words string) { s.say(words, "") }

func (s *speech) say(words, between string) {
	switch n := len(*s); {
	case words == "":
	case n > 0 && (*s)[n-1].image == "":
		last := (*s)[n-1]
		last.words += between + words
		*s = append((*s)[:n-1:n-1], last)
	default:
		*s = append(*s, spokenBlock{words: words})
	}
}

// add adds a block, which is a text or an image.
func (s *speech) add(b contentBlock, param string) error {
	if b.Type == "image" {
		image, err := b.shown(param)
		*s = append(*s, image)
		return err
	}
	words, err := b.text(param)
	s.text(words)
	return err
}

// then is this speech and another one by the same speaker: a new paragraph.
func (s speech) then(next speech) speech {
	for i, b := range next {
		if i == 0 && b.image == "" {
			s.say(b.words, "\n\n")
			continue
		}
		s = append(s, b)
	}
	return s
}

// chat is the content of a message in chat's terms.
func (s speech) chat() any {
	if !s.shows() {
		var text strings.Builder
		for _, b := range s {
			text.WriteString(b.words)
		}
		return text.String()
	}
	parts := make([]any, len(s))
	for i, b := range s {
		if b.image != "" {
			parts[i] = map[string]any{"type": "image_url", "image_url": b.image}
			continue
		}
		parts[i] = map[string]any{"type": "text", "text": b.words}
	}
	return parts
}

// turnNames are those of the fields that a message of a chat came from.
type turnNames struct {
	turn  string
	parts speech // of a content that is a list
}

// of names what a field of the message came from.
func (n turnNames) of(field string) string {
	part, ok := strings.CutPrefix(field, ".content")
	i, rest, numbered := cutIndex(part)
	if !ok || !numbered || i >= len(n.parts) || n.parts[i].block == "" {
		return n.turn
	}
	if rest == "" {
		return n.parts[i].block
	}
	return n.parts[i].field
}

// shown gives an image block's address: its data as a data URI, or its url.
func (b contentBlock) shown(param string) (spokenBlock, error) {
	at := param + ".source"
	out := spokenBlock{block: param}
	var source struct {
		Type string  `json:"type"`
		Data *string `json:"data"`
		URL  *string `json:"url"`
	}
	if isNull(b.Source) {
		return out, fault.Bad(at, "%s is missing", at)
	}
	if err := json.Unmarshal(b.Source, &source); err != nil {
		return out, fault.Bad(at, "%s must be an object with a type, and data or a url, all of them strings", at)
	}
	switch {
	case source.Type == "base64" && (source.Data == nil || *source.Data == ""):
		return out, fault.Bad(at+".data", "%s.data is missing", at)
	case source.Type == "base64":
		out.field, out.image = at+".data", "data:;base64,"+*source.Data // the type is that of the bytes
	case source.Type == "url" && (source.URL == nil || *source.URL == ""):
		return out, fault.Bad(at+".url", "%s.url is missing", at)
	case source.Type == "url":
		out.field, out.image = at+".url", *source.URL
	case source.Type == "file":
		return out, &fault.Error{Code: unsupported, Param: at + ".type", Message: at + " is of type file: this server keeps no files"}
	default:
		return out, fault.Bad(at+".type", "%s.type is %q: it must be base64 or url", at, clip(source.Type, 40))
	}
	return out, nil
}
