package chat

import (
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/mergeway/mergeway/fault"
)

// Part is a piece of a turn that holds more than text.
type Part struct {
	Text    string
	Picture bool // a picture stands here, and no text
}

// pictures counts those of a turn.
func (m Message) pictures() int {
	n := 0
	for _, p := range m.Parts {
		if p.Picture {
			n++
		}
	}
	return n
}

// text is all that the turn says, without its pictures.
func (m Message) text() string {
	if len(m.Parts) == 0 {
		return m.Content
	}
	var b strings.Builder
	for _, p := range m.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// after is the turn with these paragraphs before its first text.
func (m Message) after(paragraphs ...string) Message {
	before := strings.Join(paragraphs, "\n\n")
	if len(m.Parts) == 0 {
		m.Content = before + m.Content
		return m
	}
	m.Parts = slices.Clone(m.Parts)
	if i := slices.IndexFunc(m.Parts, func(p Part) bool { return !p.Picture }); i >= 0 {
		m.Parts[i].Text = before + m.Parts[i].Text
		return m
	}
	m.Parts = append(m.Parts, Part{Text: strings.TrimRight(before, "\n")})
	return m
}

// countPictures counts those of a conversation.
func countPictures(messages []Message) int {
	n := 0
	for _, m := range messages {
		n += m.pictures()
	}
	return n
}

// Seeing is the template of a model that reads pictures, which stand in its
// prompts as this token, one for each. Encode and Continue then see to it that
// there are as many as the conversation has pictures, and give what the processor
// of transformers would, which is not always what the tokenizer alone would: it
// begins a prompt with the token for that, if its tokenizer does, where the
// template does not.
func (t *Template) Seeing(image int32) *Template {
	if t.image != nil && *t.image == image {
		return t
	}
	name := t.tokenizer.Name(image)
	return &Template{tokenizer: t.tokenizer, main: t.main.seeing(name), toolUse: t.toolUse.seeing(name), image: &image}
}

// seeing is the variant for a model that reads pictures, which stand as the token
// of this name; nil of nil.
func (v *variant) seeing(name string) *variant {
	if v == nil {
		return nil
	}
	seeing := *v
	seeing.image = name
	seeing.findPictures()
	return &seeing
}

// content is what the template sees of a message's. In a conversation with
// pictures it is a list of typed parts, as transformers has it, wherever the
// template can read one. A template without a place for pictures gets text with
// their tokens before it, each on a line of its own, as LLaVA's own code writes
// them.
func (v *variant) content(m Message, seen bool, mark marker) any {
	form := v.forms[m.Role]
	pictures := m.pictures()
	asList := form.lists && (seen || !form.strings)
	if pictures > 0 && !form.pictures {
		text := strings.Repeat(v.image+"\n", pictures) + mark.after(m.text())
		if asList && !form.strings {
			return list{textPart(text)}
		}
		return text
	}
	if !asList {
		return mark.content(m.text())
	}
	if len(m.Parts) == 0 {
		return list{textPart(mark.content(m.Content))}
	}
	parts := make(list, len(m.Parts))
	for i, p := range m.Parts {
		if parts[i] = textPart(mark.content(p.Text)); p.Picture {
			parts[i] = picturePart()
		}
	}
	return parts
}

func textPart(text string) any {
	return dict([]*exec.Pair{pair("type", "text"), pair("text", text)})
}

func picturePart() any { return dict([]*exec.Pair{pair("type", "image")}) }

// controlNames are the names that no content may get into the ids as tokens.
func (t *Template) controlNames() []string {
	names := t.tokenizer.SpecialNames()
	if t.image == nil || t.tokenizer.IsSpecial(*t.image) {
		return names
	}
	return append(slices.Clip(names), t.tokenizer.Name(*t.image))
}

// withPictures finishes the ids of a rendering for a model that sees.
func (t *Template) withPictures(ids []int32, text string, pictures int) ([]int32, error) {
	found := 0
	for _, id := range ids {
		if id == *t.image {
			found++
		}
	}
	switch {
	case pictures == 0 && found > 0:
		return nil, fault.Bad("messages", "a message holds the name of the token that stands for a picture, and this model's tokenizer has no other letters for it")
	case found != pictures:
		return nil, fault.Bad("messages", "this model's chat template has no place for pictures where they stand: of %d it writes %d", pictures, found)
	}
	if bos, ok := t.tokenizer.BOS(); ok && t.tokenizer.Begins() && !strings.HasPrefix(text, t.tokenizer.Name(bos)) {
		ids = slices.Insert(ids, 0, bos)
	}
	return ids, nil
}
