package chat

import (
	"regexp"

	"github.com/mergeway/mergeway/fault"
)

// Message is one turn of a conversation.
type Message struct {
	Role       string // "system", "user", "assistant" or "tool"; "developer" means system
	Content    string
	Parts      []Part     // of a turn with pictures: its texts and pictures, in order; then Content is empty
	ToolCalls  []ToolCall // of an assistant's turn: what it called
	ToolCallID string     // of a tool's: the call that it answers
	Name       string     // of a tool's: the function, if it is known
}

// ToolCall is a call of a function.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // a JSON object
}

// Tool is a function that a model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  string // the JSON schema of its arguments; "": it has none
}

// functionName is what functions may be called: nothing that a template, or a
// tokenizer, could take for something else.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkMessages refuses what no template is made for.
func checkMessages(messages []Message) error {
	if len(messages) == 0 {
		return fault.Bad("messages", "messages is empty")
	}
	for i, m := range messages {
		switch m.Role {
		case "system", "developer", "user", "assistant", "tool":
		default:
			return fault.Bad("messages", "messages[%d].role is %q; it can be system, developer, user, assistant or tool", i, m.Role)
		}
		if len(m.ToolCalls) > 0 && m.Role != "assistant" {
			return fault.Bad("messages", "messages[%d] calls tools: only an assistant does", i)
		}
		for _, c := range m.ToolCalls {
			if !functionName.MatchString(c.Name) {
				return fault.Bad("messages", "messages[%d] calls %q: a function's name is 1 to 64 letters, digits, _ and -", i, c.Name)
			}
		}
		if m.pictures() > 0 && m.Role != "user" && m.Role != "tool" {
			return fault.Bad("messages", "messages[%d] has a picture: only a user's turn has, or that of a tool", i)
		}
		if len(m.Parts) > 0 && m.Content != "" {
			return fault.New(fault.Internal, "messages[%d] has a content and parts", i)
		}
		if m.Name != "" && !functionName.MatchString(m.Name) {
			return fault.Bad("messages", "messages[%d].name is %q: a function's name is 1 to 64 letters, digits, _ and -", i, m.Name)
		}
	}
	return nil
}

// checkTools refuses functions that no template is made for.
func checkTools(tools []Tool) error {
	for i, t := range tools {
		if !functionName.MatchString(t.Name) {
			return fault.Bad("tools", "tools[%d] is called %q: a function's name is 1 to 64 letters, digits, _ and -", i, t.Name)
		}
	}
	return nil
}

// callsTools tells whether a conversation has calls, or what came of them.
func callsTools(messages []Message) bool {
	for _, m := range messages {
		if len(m.ToolCalls) > 0 || m.Role == "tool" {
			return true
		}
	}
	return false
}
