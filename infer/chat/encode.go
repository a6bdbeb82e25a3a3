package chat

import (
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Marks around contents in a second rendering, which shows where the template
// put them. They are private-use characters; contents that hold any are
// rendered with them doubled behind markEscape.
const (
	markBegin  = "\U000F1E00"
	markEnd    = "\U000F1E01"
	markEscape = "\U000F1E02"
)

var (
	escapeMarks   = strings.NewReplacer(markEscape, markEscape+"e", markBegin, markEscape+"b", markEnd, markEscape+"x")
	unescapeMarks = strings.NewReplacer(markEscape+"e", markEscape, markEscape+"b", markBegin, markEscape+"x", markEnd)
)

// piece is a stretch of a rendered conversation.
type piece struct {
	text    string
	content bool // written by a user (or a model), not by the template
}

// Encode gives the ids of a conversation, ready for the model's reply. Nothing
// is added to what the template writes: if the model wants a beginning of
// sequence, its template says so.
//
// Where no content holds the name of a special token, the rendering is encoded
// as a whole, which is what transformers does. Otherwise contents are encoded
// apart as plain text. That can differ from transformers where a token would
// span the border between template and content; there transformers would have
// read the content as a control token.
func (t *Template) Encode(messages []Message) ([]int32, error) {
	if err := t.check(messages); err != nil {
		return nil, err
	}
	messages = t.fold(messages)
	text, err := t.render(messages)
	if err != nil {
		return nil, err
	}
	pieces, ok, err := t.pieces(messages, text)
	if err != nil {
		return nil, err
	}
	if !t.controlInContent(messages, pieces, ok) {
		ids := t.tokenizer.Encode(text, true)
		if !t.controlFromContent(ids, messages, pieces, ok) {
			return ids, nil
		}
	}
	if !ok {
		return nil, fault.Bad("messages", "a message holds the name of a control token, and this model's chat template rewrites messages, so it can't be encoded as plain text")
	}
	var ids []int32
	for _, p := range pieces {
		ids = append(ids, t.tokenizer.Encode(p.text, !p.content)...)
	}
	return ids, nil
}

// pieces splits a rendering into what the template wrote and what it was given.
// ok is false where the template changes contents so that they can't be told apart.
func (t *Template) pieces(messages []Message, text string) (_ []piece, ok bool, err error) {
	for _, prepare := range []func(string) string{
		func(s string) string { return s },
		strings.TrimSpace, // many templates trim
	} {
		marked := make([]Message, len(messages))
		for i, m := range messages {
			marked[i] = Message{m.Role, markBegin + escapeMarks.Replace(prepare(m.Content)) + markEnd}
		}
		rendered, err := t.render(marked)
		if err != nil {
			return nil, false, err
		}
		if pieces, ok := split(rendered); ok && join(pieces) == text {
			return pieces, true, nil
		}
	}
	return nil, false, nil
}

// split cuts a marked rendering at its marks; ok is false where one has lost its other.
func split(rendered string) (pieces []piece, ok bool) {
	for rendered != "" {
		before, rest, found := strings.Cut(rendered, markBegin)
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !found {
			break
		}
		content, after, found := strings.Cut(rest, markEnd)
		if !found || strings.Contains(content, markBegin) {
			return nil, false
		}
		if content != "" {
			pieces = append(pieces, piece{text: unescapeMarks.Replace(content), content: true})
		}
		rendered = after
	}
	return pieces, true
}

func join(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// controlInContent tells whether any special token's name touches a content:
// lies in it, or is completed by it.
func (t *Template) controlInContent(messages []Message, pieces []piece, ok bool) bool {
	names := t.tokenizer.SpecialNames()
	if !ok { // borders unknown: look at the contents, and assume the worst of any overlap
		for _, m := range messages {
			if containsAny(m.Content, names) {
				return true
			}
		}
		return false
	}
	text := join(pieces)
	at := 0
	for _, p := range pieces {
		if p.content {
			for _, name := range names {
				from, to := max(0, at-len(name)+1), min(len(text), at+len(p.text)+len(name)-1)
				if strings.Contains(text[from:to], name) {
					return true
				}
			}
		}
		at += len(p.text)
	}
	return false
}

// controlFromContent tells whether ids, the rendering as a whole, have special
// tokens that the template didn't write. No content holds the name of one, but a
// tokenizer may change text before it looks for names: make "</s>" of "＜／ｓ＞".
func (t *Template) controlFromContent(ids []int32, messages []Message, pieces []piece, ok bool) bool {
	if !ok {
		for _, m := range messages {
			if t.countControl(t.tokenizer.Encode(m.Content, true)) > 0 {
				return true
			}
		}
		return false
	}
	written := 0
	for _, p := range pieces {
		if !p.content {
			written += t.countControl(t.tokenizer.Encode(p.text, true))
		}
	}
	return t.countControl(ids) != written
}

func (t *Template) countControl(ids []int32) int {
	n := 0
	for _, id := range ids {
		if t.tokenizer.IsSpecial(id) {
			n++
		}
	}
	return n
}

func containsAny(text string, names []string) bool {
	for _, name := range names {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}
