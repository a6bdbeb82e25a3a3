package gateway

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// turn is one message of a chat with the field that it came from.
type turn struct {
	role   string
	said   speech
	calls  []ToolCall
	callID string // of a tool's turn
	from   string
}

// names are those of the fields that the turn came from.
func (t turn) names() turnNames {
	n := turnNames{turn: t.from}
	if t.said.shows() {
		n.parts = t.said
	}
	return n
}

// transcript is a conversation in chat's terms while it is put together.
type transcript []turn

// add appends a turn. What one role says in a row is one turn, as Anthropic has
// it: many templates insist that roles alternate.
func (t *transcript) add(next turn) {
	if n := len(*t); n > 0 && (*t)[n-1].role == next.role && next.role != "tool" {
		last := &(*t)[n-1]
		last.said = last.said.then(next.said)
		last.calls = append(last.calls, next.calls...)
		return
	}
	*t = append(*t, next)
}

// user adds a user's turn. The results of tools in it are turns of their own.
func (t *transcript) user(blocks []contentBlock, param string) error {
	var said speech
	spoke := false // nothing but results is no turn of the user's
	speak := func() {
		if spoke {
			t.add(turn{role: "user", from: param, said: said})
		}
		said, spoke = nil, false
	}
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content[%d]", param, i)
		switch b.Type {
		case "text", "image":
			if err := said.add(b, at); err != nil {
				return err
			}
			spoke = true
		case "tool_result":
			result, err := b.result(at)
			if err != nil {
				return err
			}
			speak()
			t.add(result)
		default:
			return b.refused(at)
		}
	}
	speak()
	return nil
}

// assistant adds an assistant's turn. What it thought before is left out, as
// Anthropic does.
func (t *transcript) assistant(blocks []contentBlock, param string) error {
	assistant := turn{role: "assistant", from: param}
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content[%d]", param, i)
		switch b.Type {
		case "text":
			if err := assistant.said.add(b, at); err != nil {
				return err
			}
		case "tool_use":
			call, err := b.call(at)
			if err != nil {
				return err
			}
			assistant.calls = append(assistant.calls, call)
		case "thinking", "redacted_thinking":
		default:
			return b.refused(at)
		}
	}
	t.add(assistant)
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
	case len(last.said) == 0:
		*t = (*t)[:n-1]
		return false, nil
	case endsWithSpace(last.said[len(last.said)-1].words):
		return false, fault.Bad(last.from+".content", "%s.content ends with white space: the beginning of a reply must not", last.from)
	}
	return true, nil
}

func endsWithSpace(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsSpace(last)
}

// messages gives the conversation as chat's messages.
func (t transcript) messages() ([]ChatMessage, error) {
	out := make([]ChatMessage, len(t))
	for i, turn := range t {
		out[i] = ChatMessage{Role: turn.role, ToolCalls: turn.calls, ToolCallID: turn.callID}
		if len(turn.said) == 0 && len(turn.calls) > 0 {
			continue
		}
		var err error
		if out[i].Content, err = json.Marshal(turn.said.chat()); err != nil {
			return nil, err
		}
	}
	return out, nil
}
