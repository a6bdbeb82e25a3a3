package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// conversation gives the turns of a prompt in chat's terms.
func (p MessagePrompt) conversation(l Limits) (transcript, error) {
	if n := len(p.Messages); n == 0 || n > l.Messages {
		return nil, fault.Bad("messages", "%d messages: there must be 1 to %d", n, l.Messages)
	}
	var t transcript
	if !isNull(p.System) && !isEmpty(p.System) {
		if err := t.system(p.System, "system", "system"); err != nil {
			return nil, err
		}
	}
	for i, m := range p.Messages {
		if err := t.read(m, fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// read adds one of the request's turns.
func (t *transcript) read(m MessageTurn, param string) error {
	switch m.Role {
	case "user", "assistant":
		blocks, err := readBlocks(m.Content, param+".content")
		switch {
		case err != nil:
			return err
		case m.Role == "user":
			return t.user(blocks, param)
		}
		return t.assistant(blocks, param)
	case "system":
		return t.system(m.Content, param+".content", param)
	}
	return fault.Bad(param+".role", "%s.role is %q: it must be user, assistant or system", param, clip(m.Role, 40))
}

// system adds a system's turn.
func (t *transcript) system(raw json.RawMessage, param, from string) error {
	text, err := readText(raw, param, "\n\n")
	if err != nil {
		return err
	}
	system := turn{role: "system", from: from}
	system.said.text(text)
	t.add(system)
	return nil
}

// tools gives the tools of a prompt in chat's terms.
func (p MessagePrompt) tools() ([]Tool, error) {
	var out []Tool
	for i, t := range p.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		switch {
		case t.Type != "" && t.Type != "custom":
			return nil, &fault.Error{Code: unsupported, Param: at + ".type", Message: fmt.Sprintf("%s is of type %q: this server has no tools of its own, only custom ones", at, clip(t.Type, 40))}
		case isNull(t.InputSchema):
			return nil, fault.Bad(at+".input_schema", "%s has no input_schema", at)
		}
		out = append(out, Tool{Type: "function", Function: FunctionTool{
			Name: t.Name, Description: t.Description, Parameters: t.InputSchema, Strict: t.Strict,
		}})
	}
	return out, nil
}

// chat gives a choice of tools in chat's terms: tool_choice, and
// parallel_tool_calls.
func (c *MessageToolChoice) chat() (choice json.RawMessage, parallel *bool, err error) {
	if c == nil {
		return nil, nil, nil
	}
	var chosen any
	switch c.Type {
	case "auto", "none":
		chosen = c.Type
	case "any":
		chosen = "required"
	case "tool":
		if c.Name == "" {
			return nil, nil, fault.Bad("tool_choice.name", "tool_choice has no name")
		}
		chosen = map[string]any{"type": "function", "function": map[string]string{"name": c.Name}}
	default:
		return nil, nil, fault.Bad("tool_choice.type", "tool_choice.type is %q: it must be auto, any, tool or none", clip(c.Type, 40))
	}
	if c.DisableParallel {
		parallel = new(bool)
	}
	choice, err = json.Marshal(chosen)
	return choice, parallel, err
}

// chat gives the part of a chat request that asks for the same, and the fields that
// its messages came from.
func (p MessagePrompt) chat(l Limits) (ChatRequest, []turnNames, error) {
	r := ChatRequest{Model: p.Model}
	t, err := p.conversation(l)
	if err != nil {
		return r, nil, err
	}
	if r.ContinueFinalMessage, err = t.continued(); err != nil {
		return r, nil, err
	}
	from := make([]turnNames, len(t))
	for i, turn := range t {
		from[i] = turn.names()
	}
	if r.Messages, err = t.messages(); err != nil {
		return r, nil, err
	}
	if r.Tools, err = p.tools(); err != nil {
		return r, nil, err
	}
	r.ToolChoice, r.ParallelToolCalls, err = p.ToolChoice.chat()
	return r, from, err
}

// asMessageFault gives an error about a chat request the names of the fields that
// it came from.
func asMessageFault(err error, from []turnNames) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Param == "" {
		return err
	}
	param := messageParam(f.Param, from)
	if param == f.Param {
		return err
	}
	return &fault.Error{Code: f.Code, Param: param, Message: strings.ReplaceAll(f.Message, f.Param, param), Err: f.Err}
}

// messageParam is Anthropic's name for a field of a chat request.
func messageParam(param string, from []turnNames) string {
	field, rest := param, ""
	if end := strings.IndexAny(param, ".["); end >= 0 {
		field, rest = param[:end], param[end:]
	}
	switch field {
	case "messages":
		if i, rest, ok := cutIndex(rest); ok && i < len(from) {
			return from[i].of(rest)
		}
	case "stop":
		return "stop_sequences" + rest
	case "response_format":
		return "output_config.format"
	case "tools", "tool_choice":
		return field + strings.NewReplacer(".function.parameters", ".input_schema", ".function", "").Replace(rest)
	}
	return param
}
