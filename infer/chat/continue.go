package chat

import (
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Continue gives the ids of a conversation whose last message is the beginning
// of the model's reply. What the template writes after that message's content,
// such as the end of the turn, is left out.
func (t *Template) Continue(messages []Message, tools ...Tool) ([]int32, error) {
	v, err := t.variant(messages, tools)
	if err != nil {
		return nil, err
	}
	begun := messages[len(messages)-1]
	if begun.Role != "assistant" || len(begun.ToolCalls) > 0 || strings.TrimSpace(begun.Content) == "" {
		return nil, fault.Bad("messages", "the last message must be the assistant's, with the beginning of a reply")
	}
	v, messages = v.whole(), v.fold(messages)
	text, err := v.render(messages, tools, unmarked)
	if err != nil {
		return nil, err
	}
	pieces, ok := t.pieces(v, messages, tools, text)
	end := len(pieces)
	for end > 0 && !pieces[end-1].content {
		end--
	}
	// A template may write the last message in another place, or not as it is.
	if !ok || end == 0 || !slices.Contains([]string{begun.Content, strings.TrimSpace(begun.Content)}, pieces[end-1].text) {
		return nil, fault.Bad("messages", "this model's chat template rewrites messages, so a reply can't be begun for it")
	}
	return t.ids(v, messages, tools, join(pieces[:end]), pieces[:end], true)
}
