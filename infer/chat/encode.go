package chat

import (
	"strings"
	"unicode"

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
func (t *Template) Encode(messages []Message, tools ...Tool) ([]int32, error) {
	v, err := t.variant(messages, tools)
	if err != nil {
		return nil, err
	}
	messages = v.fold(messages)
	text, err := v.render(messages, tools, unmarked)
	if err != nil {
		return nil, err
	}
	pieces, ok := t.pieces(v, messages, tools, text)
	return t.ids(v, messages, tools, text, pieces, ok)
}

// ids encodes a rendering of a conversation, whose pieces are known if ok.
func (t *Template) ids(v *variant, messages []Message, tools []Tool, text string, pieces []piece, ok bool) ([]int32, error) {
	ids, err := t.encoded(v, messages, tools, text, pieces, ok)
	if err != nil || t.image == nil {
		return ids, err
	}
	return t.withPictures(ids, text, countPictures(messages))
}

// encoded is ids without what is done for models that see.
func (t *Template) encoded(v *variant, messages []Message, tools []Tool, text string, pieces []piece, ok bool) ([]int32, error) {
	contents, keys := v.contents(messages, tools)
	if t.holdsControl(keys) {
		return nil, fault.Bad("tools", "a key in the definition of a tool is the name of a control token")
	}
	if !t.controlInContent(contents, pieces, ok) {
		ids := t.tokenizer.Encode(text, true)
		if !t.controlFromContent(ids, contents, pieces, ok) {
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

// contents are all texts that callers wrote, and the keys in what they wrote
// about tools.
func (v *variant) contents(messages []Message, tools []Tool) (texts, keys []string) {
	note := func(to *[]string) func(string) string {
		return func(s string) string {
			*to = append(*to, s)
			return s
		}
	}
	text := note(&texts)
	_, _, _ = v.values(messages, tools, marker{text, text, text, text, note(&keys)}) // what can't be read has been refused
	return texts, keys
}

// pieces splits a rendering into what the template wrote and what it was given.
// ok is false where the template changes contents so that they can't be told apart.
func (t *Template) pieces(v *variant, messages []Message, tools []Tool, text string) (_ []piece, ok bool) {
	mark := func(s string) string {
		if s == "" { // templates ask whether there is anything
			return s
		}
		return markBegin + escapeMarks.Replace(s) + markEnd
	}
	// Many templates trim contents.
	trimmed := func(s string) string { return mark(strings.TrimSpace(s)) }
	trimmedEnd := func(s string) string { return mark(strings.TrimRightFunc(s, unicode.IsSpace)) }
	for _, tool := range []func(string) string{mark, same} {
		for _, content := range []struct{ all, after func(string) string }{{mark, mark}, {trimmed, trimmedEnd}} {
			rendered, err := v.render(messages, tools, marker{content: content.all, after: content.after, call: mark, tool: tool, key: same})
			if err != nil {
				continue // it did not with what the caller wrote
			}
			if pieces, ok := split(rendered); ok && join(pieces) == text {
				return pieces, true
			}
		}
		// Some templates rewrite what they are told about tools. That may stand for
		// itself where there is no control token in it.
		if told, _ := v.contents(nil, tools); len(tools) == 0 || t.holdsControl(told) {
			break
		}
	}
	return nil, false
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
func (t *Template) controlInContent(contents []string, pieces []piece, ok bool) bool {
	names := t.controlNames()
	if !ok { // borders unknown: look at the contents, and assume the worst of any overlap
		for _, content := range contents {
			if containsAny(content, names) {
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
func (t *Template) controlFromContent(ids []int32, contents []string, pieces []piece, ok bool) bool {
	if !ok {
		return t.holdsControl(contents)
	}
	written := 0
	for _, p := range pieces {
		if !p.content {
			written += t.countControl(t.tokenizer.Encode(p.text, true))
		}
	}
	return t.countControl(ids) != written
}

// holdsControl tells whether any of some texts would become special tokens.
func (t *Template) holdsControl(texts []string) bool {
	return t.countControl(t.tokenizer.Encode(strings.Join(texts, "\n"), true)) > 0
}

func (t *Template) countControl(ids []int32) int {
	n := 0
	for _, id := range ids {
		if t.tokenizer.IsSpecial(id) || t.image != nil && id == *t.image {
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
