package gateway

import (
	"encoding/json"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// chat gives the conversation as a chat. What the model said and called in one
// turn is one message there.
func (in responseInput) chat(instructions *string) ([]ChatMessage, responseNames) {
	var messages []ChatMessage
	var names responseNames
	if instructions != nil {
		messages = append(messages, ChatMessage{Role: "system", Content: chatText(*instructions)})
		names = append(names, messageName{item: itemName{param: "instructions", whole: true}})
	}
	for i, item := range in.items {
		name := in.names[i]
		switch item.Type {
		case "function_call":
			call := ToolCall{ID: item.CallID, Type: "function", Function: FunctionCall{Name: item.Name, Arguments: *item.Arguments}}
			if last := len(messages) - 1; i > 0 && messages[last].Role == "assistant" {
				messages[last].ToolCalls = append(messages[last].ToolCalls, call)
				names[last].calls, names[last].items = append(names[last].calls, name), append(names[last].items, i)
				continue
			}
			messages = append(messages, ChatMessage{Role: "assistant", ToolCalls: []ToolCall{call}})
			names = append(names, messageName{item: name, calls: []itemName{name}, items: []int{i}})
		case "function_call_output":
			messages = append(messages, ChatMessage{Role: "tool", Content: chatText(*item.Output), ToolCallID: item.CallID})
			names = append(names, messageName{item: name, output: true, items: []int{i}})
		default:
			messages = append(messages, ChatMessage{Role: item.Role, Content: chatContent(item.Content)})
			names = append(names, messageName{item: name, items: []int{i}})
		}
	}
	return messages, names
}

// chatContent gives parts in the words of a chat.
func chatContent(parts []ResponsePart) json.RawMessage {
	if len(parts) == 1 && parts[0].Text != nil {
		return chatText(*parts[0].Text)
	}
	type image struct {
		URL    string `json:"url"`
		Detail string `json:"detail,omitempty"`
	}
	type part struct {
		Type     string  `json:"type"`
		Text     *string `json:"text,omitempty"`
		ImageURL *image  `json:"image_url,omitempty"`
	}
	all := make([]part, len(parts))
	for i, p := range parts {
		all[i] = part{Type: "text", Text: p.Text}
		if p.Text == nil {
			all[i] = part{Type: "image_url", ImageURL: &image{p.ImageURL, p.Detail}}
		}
	}
	return mustJSON(all)
}

func chatText(text string) json.RawMessage { return mustJSON(text) }

// mustJSON is for values that JSON has words for.
func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, and structs of them, can be written
	}
	return data
}

// responseFormat is text.format in the words of a chat; nil: anything.
func (t *ResponseText) responseFormat() (json.RawMessage, error) {
	if t == nil {
		return nil, nil
	}
	if t.Verbosity != nil && *t.Verbosity != "medium" {
		return nil, &fault.Error{Code: unsupported, Param: "text.verbosity", Message: "text.verbosity is not supported by this server: leave it out"}
	}
	if t.Format == nil {
		return nil, nil
	}
	type schema struct {
		Name   string          `json:"name,omitempty"`
		Schema json.RawMessage `json:"schema,omitempty"`
		Strict *bool           `json:"strict,omitempty"`
	}
	format := struct {
		Type       string  `json:"type"`
		JSONSchema *schema `json:"json_schema,omitempty"`
	}{Type: t.Format.Type}
	if format.Type == "json_schema" {
		if isNull(t.Format.Schema) {
			return nil, fault.Bad("text.format.schema", "text.format has no schema")
		}
		format.JSONSchema = &schema{t.Format.Name, t.Format.Schema, t.Format.Strict}
	}
	return json.Marshal(format)
}

// responseTools gives tools in the words of a chat.
func responseTools(tools []ResponseTool) ([]Tool, error) {
	var out []Tool
	for i, t := range tools {
		if t.Type != "function" {
			at := indexed("tools", i)
			return nil, &fault.Error{Code: unsupported, Param: at + ".type", Message: at + ` is of type "` + clip(t.Type, 40) + `": this server has no tools of its own, only functions of the caller's`}
		}
		out = append(out, Tool{Type: t.Type, Function: FunctionTool{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict}})
	}
	return out, nil
}

// responseToolChoice gives tool_choice in the words of a chat.
func responseToolChoice(raw json.RawMessage) (json.RawMessage, error) {
	if isNull(raw) || raw[0] == '"' {
		return raw, nil
	}
	var choice struct{ Type, Name string }
	if err := json.Unmarshal(raw, &choice); err != nil {
		return nil, fault.Bad("tool_choice", "tool_choice must be a string, or an object with type and name")
	}
	if choice.Type != "function" {
		return nil, &fault.Error{Code: unsupported, Param: "tool_choice.type", Message: `tool_choice.type is "` + clip(choice.Type, 40) + `": this server knows function`}
	}
	type function struct {
		Name string `json:"name"`
	}
	if choice.Name == "" {
		return nil, fault.Bad("tool_choice.name", "tool_choice names no function")
	}
	return mustJSON(struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{choice.Type, function{choice.Name}}), nil
}

// includable are the values of include. All but the first are about what no
// reply of this server has.
var includable = []string{
	includeLogprobs, "reasoning.encrypted_content", "message.input_image.image_url", "file_search_call.results",
	"web_search_call.results", "web_search_call.action.sources", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
}

const includeLogprobs = "message.output_text.logprobs"

// wantsLogprobs reads include.
func wantsLogprobs(include []string) (bool, error) {
	for i, value := range include {
		if !slices.Contains(includable, value) {
			at := indexed("include", i)
			return false, fault.Bad(at, "%s is %q, which is nothing that a response could include", at, clip(value, 60))
		}
	}
	return slices.Contains(include, includeLogprobs), nil
}
