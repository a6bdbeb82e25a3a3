package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mergeway/mergeway/fault"
)

// responseInput is what the model is given, but for the instructions: item by
// item, each with its name in the request.
type responseInput struct {
	items []ResponseItem
	names []itemName
}

func (in *responseInput) add(item ResponseItem, name itemName) {
	in.items, in.names = append(in.items, item), append(in.names, name)
}

// readInput gives the conversation that the request goes on from and then the
// request's own items, in their full form and with ids of this response.
func (g *Gateway) readInput(ctx context.Context, body ResponseRequest, ids *responseIDs, owner string) (responseInput, error) {
	var in responseInput
	shelf := shelf{gateway: g, owner: owner}
	if body.PreviousResponseID != nil {
		earlier, err := shelf.previous(ctx, *body.PreviousResponseID)
		if err != nil {
			return in, err
		}
		for _, item := range earlier {
			in.add(item, itemName{param: "previous_response_id", whole: true})
		}
	}
	if isNull(body.Input) {
		return in, fault.Bad("input", "input is missing")
	}
	var text string
	if json.Unmarshal(body.Input, &text) == nil {
		item := ResponseItem{ID: ids.next("msg"), Type: "message", Status: statusCompleted, Role: "user", Content: []ResponsePart{inputText(text)}}
		in.add(item, itemName{param: "input", whole: true})
		return in, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body.Input, &list); err != nil {
		return in, fault.Bad("input", "input must be a string or a list of items")
	}
	if len(list) == 0 {
		return in, fault.Bad("input", "input is an empty list")
	}
	if len(list) > g.limits.Messages {
		return in, fault.Bad("input", "input has %d items: at most %d", len(list), g.limits.Messages)
	}
	for i, raw := range list {
		name := inputName(i)
		item, err := readItem(raw, name.param)
		if err == nil && item.Type == "item_reference" {
			name.whole = true
			item, err = shelf.item(ctx, item.ID, name.param)
		}
		if err != nil {
			return in, err
		}
		item.ID, item.Status = ids.next(itemPrefixes[item.Type]), statusCompleted
		in.add(item, name)
	}
	return in, nil
}

// itemPrefixes begin the ids of items.
var itemPrefixes = map[string]string{"message": "msg", "function_call": "fc", "function_call_output": "fco"}

// readItem checks an item and gives it in its full form. Of a reference it gives
// type and id.
func readItem(raw json.RawMessage, at string) (ResponseItem, error) {
	var in struct {
		Type      string          `json:"type"`
		ID        string          `json:"id"`
		Role      string          `json:"role"`
		Content   json.RawMessage `json:"content"`
		CallID    string          `json:"call_id"`
		Name      string          `json:"name"`
		Arguments *string         `json:"arguments"`
		Output    json.RawMessage `json:"output"`
	}
	var kind *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, &in); {
	case errors.As(err, &kind) && kind.Field != "":
		return ResponseItem{}, fault.Bad(at+"."+kind.Field, "%s.%s must not be a JSON %s", at, kind.Field, kind.Value)
	case err != nil || isNull(raw):
		return ResponseItem{}, fault.Bad(at, "%s is not an object", at)
	}
	switch {
	case in.Type == "" && in.Role != "":
		in.Type = "message"
	case in.Type == "" && in.ID != "":
		in.Type = "item_reference"
	}
	out := ResponseItem{Type: in.Type, ID: in.ID}
	var err error
	switch in.Type {
	case "message":
		out.Role = in.Role
		out.Content, err = readMessage(in.Content, at, in.Role)
	case "function_call":
		out.CallID, out.Name, out.Arguments = in.CallID, in.Name, in.Arguments
		switch {
		case in.CallID == "":
			err = fault.Bad(at+".call_id", "%s.call_id is missing", at)
		case in.Name == "":
			err = fault.Bad(at+".name", "%s.name is missing", at)
		case in.Arguments == nil:
			err = fault.Bad(at+".arguments", "%s.arguments is missing", at)
		}
	case "function_call_output":
		out.CallID = in.CallID
		if in.CallID == "" {
			return out, fault.Bad(at+".call_id", "%s.call_id is missing", at)
		}
		out.Output, err = readOutput(in.Output, at+".output")
	case "item_reference":
		if in.ID == "" {
			err = fault.Bad(at+".id", "%s.id is missing", at)
		}
	case "":
		err = fault.Bad(at+".type", "%s has no type", at)
	default:
		err = &fault.Error{Code: unsupported, Param: at + ".type", Message: fmt.Sprintf(
			"%s is of type %q: this server reads message, function_call, function_call_output and item_reference", at, clip(in.Type, 40))}
	}
	return out, err
}

// readMessage reads the content of a message.
func readMessage(raw json.RawMessage, at, role string) ([]ResponsePart, error) {
	switch role {
	case "user", "assistant", "system", "developer":
		return readParts(raw, at+".content", role)
	}
	return nil, fault.Bad(at+".role", "%s.role is %q: it must be user, assistant, system or developer", at, clip(role, 40))
}

// readOutput reads what a function gave: text, or a list of its parts.
func readOutput(raw json.RawMessage, at string) (*string, error) {
	parts, err := readParts(raw, at, "user")
	if err != nil {
		return nil, err
	}
	text := ""
	for i, p := range parts {
		if p.Text == nil {
			at := indexed(at, i)
			return nil, &fault.Error{Code: unsupported, Param: at, Message: at + " is of type " + p.Type + ": what a function gave must be text"}
		}
		text += *p.Text
	}
	return &text, nil
}

// readParts reads text, or a list of parts.
func readParts(raw json.RawMessage, at, role string) ([]ResponsePart, error) {
	if isNull(raw) {
		return nil, fault.Bad(at, "%s is missing", at)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []ResponsePart{textOf(role, text)}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fault.Bad(at, "%s must be a string or a list of parts", at)
	}
	if len(list) == 0 {
		return nil, fault.Bad(at, "%s is an empty list", at)
	}
	parts := make([]ResponsePart, len(list))
	for i, raw := range list {
		var err error
		if parts[i], err = readPart(raw, indexed(at, i), role); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func readPart(raw json.RawMessage, at, role string) (ResponsePart, error) {
	var in struct {
		Type     string  `json:"type"`
		Text     *string `json:"text"`
		Refusal  *string `json:"refusal"`
		ImageURL *string `json:"image_url"`
		Detail   *string `json:"detail"`
	}
	if err := json.Unmarshal(raw, &in); err != nil || isNull(raw) {
		return ResponsePart{}, fault.Bad(at, "%s is not an object with a type and a text", at)
	}
	switch in.Type {
	case "input_text", "output_text":
		if in.Text == nil {
			return ResponsePart{}, fault.Bad(at+".text", "%s has no text", at)
		}
		return textOf(role, *in.Text), nil
	case "refusal": // other servers' models
		if in.Refusal == nil {
			return ResponsePart{}, fault.Bad(at+".refusal", "%s has no refusal", at)
		}
		return textOf(role, *in.Refusal), nil
	case "input_image":
		if in.ImageURL == nil {
			return ResponsePart{}, fault.Bad(at+".image_url", "%s has no image_url: this server keeps no files", at)
		}
		part := ResponsePart{Type: in.Type, ImageURL: *in.ImageURL}
		if in.Detail != nil {
			part.Detail = *in.Detail
		}
		return part, nil
	}
	return ResponsePart{}, fault.Bad(at+".type", "%s is of type %q: this server reads input_text, output_text and input_image", at, clip(in.Type, 40))
}

// textOf is text as a part of a message: the model's, or somebody else's.
func textOf(role, text string) ResponsePart {
	if role == "assistant" {
		return outputText(text, nil)
	}
	return inputText(text)
}

func inputText(text string) ResponsePart { return ResponsePart{Type: "input_text", Text: &text} }
