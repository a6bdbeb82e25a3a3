package chat

import (
	"regexp"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/mergeway/mergeway/fault"
)

// variant is one of a model's templates with what was found out about it.
type variant struct {
	source   string
	bos, eos string
	compiled *exec.Template

	forms           map[string]form // how it takes the contents of each role's messages
	system          bool            // it writes system messages by itself
	tools           bool            // it tells about tools
	toolTurns       bool            // it writes calls, and what came of them
	argumentsAsText bool            // it wants a call's arguments as text, not as a dictionary
	shortIDs        bool            // it wants ids of nine letters and digits

	image string // the name of the token that stands for a picture; "": it writes for a model that reads none

	finished bool // nobody is asked to go on with a conversation
}

func newVariant(source, bos, eos string) (*variant, error) {
	if len(source) > maxTemplateBytes {
		return nil, fault.New(fault.Damaged, "the chat template has %d bytes, more than %d", len(source), maxTemplateBytes)
	}
	v := &variant{source: source, bos: bos, eos: eos}
	var err error
	if v.compiled, err = compile(source); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "the chat template does not compile")
	}
	v.findForms()
	v.system = v.writes("mergeway-system-probe", []Message{{Role: "system", Content: "mergeway-system-probe"}, {Role: "user", Content: "x"}})
	v.tools = toolsWord.MatchString(source) && v.takesTools()
	if v.toolTurns = strings.Contains(source, "tool_calls") && v.findToolTurns(); v.toolTurns {
		v.forms["tool"] = form{strings: true, lists: v.takesList(toolProbe(), 2, false)}
	}
	return v, nil
}

// whole is the variant for conversations that nobody is asked to go on with; nil
// of nil.
func (v *variant) whole() *variant {
	if v == nil {
		return nil
	}
	whole := *v
	whole.finished = true
	return &whole
}

var toolsWord = regexp.MustCompile(`\btools\b`)

// writes tells whether a word of a conversation reaches the output.
func (v *variant) writes(word string, messages []Message, tools ...Tool) bool {
	text, err := v.render(messages, tools, unmarked)
	return err == nil && strings.Contains(text, word)
}

// takesTools finds out whether a tool reaches the output.
func (v *variant) takesTools() bool {
	return v.writes("mergeway_probe", []Message{{Role: "user", Content: "x"}}, Tool{Name: "mergeway_probe", Description: "x"})
}

// findToolTurns finds out whether the template writes calls and their results,
// and in which form it wants them: with arguments as JSON or, if it has none,
// in whatever it makes of a dictionary.
func (v *variant) findToolTurns() bool {
	const word = argumentProbe
	for _, form := range []struct {
		argument         string // as the template writes it
		asText, shortIDs bool
	}{
		{`"` + word + `"`, false, false}, {`"` + word + `"`, false, true},
		{`"` + word + `"`, true, false}, {`"` + word + `"`, true, true},
		{word, false, false}, {word, false, true},
	} {
		v.argumentsAsText, v.shortIDs = form.asText, form.shortIDs
		text, err := v.render(toolProbe(), []Tool{{Name: "mergeway_probe", Description: "x"}}, unmarked)
		if err == nil && strings.Contains(text, form.argument) && strings.Contains(text, contentProbe) {
			return true
		}
	}
	v.argumentsAsText, v.shortIDs = false, false
	return false
}

// argumentProbe is what the tool of a [toolProbe] is called with.
const argumentProbe = "mergeway-argument-probe"

// toolProbe is a conversation with a call and what came of it.
func toolProbe() []Message {
	return []Message{
		{Role: "user", Content: "x"},
		{Role: "assistant", ToolCalls: []ToolCall{{ID: "call_mergeway", Name: "mergeway_probe", Arguments: `{"x": "` + argumentProbe + `"}`}}},
		{Role: "tool", Content: contentProbe, ToolCallID: "call_mergeway", Name: "mergeway_probe"},
	}
}

// render writes a conversation, whose texts go through m.
func (v *variant) render(messages []Message, tools []Tool, m marker) (string, error) {
	turns, functions, err := v.values(messages, tools, m)
	if err != nil {
		return "", err
	}
	return v.execute(turns, functions)
}

// execute writes a conversation as the template sees it.
func (v *variant) execute(turns list, functions any) (string, error) {
	out := &boundedBuffer{limit: maxRenderedBytes}
	err := execute(v.compiled, out, map[string]any{
		"messages": turns, "tools": functions, "bos_token": v.bos, "eos_token": v.eos, "add_generation_prompt": !v.finished,
	})
	if err != nil {
		return "", err
	}
	return out.String(), nil
}

// fold prepares messages for the template: developer is system, and where the
// template has no place for a system message it becomes the beginning of the
// first user turn, as users of Mistral's models expect.
func (v *variant) fold(messages []Message) []Message {
	var folded []Message
	var system []string
	for _, m := range messages {
		if m.Role == "developer" {
			m.Role = "system"
		}
		if m.Role == "system" && !v.system {
			system = append(system, m.Content)
			continue
		}
		if m.Role == "user" && len(system) > 0 {
			m = m.after(append(system, "")...)
			system = nil
		}
		folded = append(folded, m)
	}
	if len(system) > 0 { // no user turn after it: let it be one
		folded = append(folded, Message{Role: "user", Content: strings.Join(system, "\n\n")})
	}
	return folded
}
