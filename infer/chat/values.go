package chat

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/mergeway/mergeway/fault"
)

// marker changes the texts of a conversation on their way into a template.
type marker struct {
	content func(string) string // a message's text
	after   func(string) string // that of a message where pictures stand before it
	call    func(string) string // a text in the arguments of a call, or a key
	tool    func(string) string // a text in the definition of a tool
	key     func(string) string // a key there, which may be one that templates look for
}

func same(s string) string { return s }

// unmarked changes nothing.
var unmarked = marker{same, same, same, same, same}

// values are what the template sees of a conversation, in transformers' shapes.
func (v *variant) values(messages []Message, tools []Tool, m marker) (turns list, functions any, err error) {
	seen := countPictures(messages) > 0
	for i, message := range messages {
		turn := map[string]any{"role": message.Role, "content": v.content(message, seen, m)}
		if message.Role == "tool" {
			turn["tool_call_id"] = v.callID(message.ToolCallID)
			if message.Name != "" {
				turn["name"] = message.Name
			}
		}
		if len(message.ToolCalls) > 0 {
			if message.text() == "" {
				turn["content"] = nil
			}
			if turn["tool_calls"], err = v.calls(message.ToolCalls, m.call); err != nil {
				return nil, nil, fault.Bad("messages", "messages[%d].tool_calls: arguments must be a JSON object", i)
			}
		}
		turns = append(turns, turn)
	}
	if len(tools) == 0 {
		return turns, nil, nil
	}
	all := list{}
	for i, tool := range tools {
		function, err := tool.value(m.tool, m.key)
		if err != nil {
			return nil, nil, fault.Bad("tools", "tools[%d].function.parameters must be a JSON object", i)
		}
		all = append(all, function)
	}
	return turns, all, nil
}

// calls are an assistant's, with their arguments as the template wants them.
func (v *variant) calls(calls []ToolCall, mark func(string) string) (list, error) {
	var all list
	for _, c := range calls {
		arguments, err := fromJSON(c.Arguments, mark, mark)
		if err != nil || !exec.AsValue(arguments).IsDict() {
			return nil, errNotJSON
		}
		if v.argumentsAsText {
			arguments = mark(c.Arguments)
		}
		all = append(all, dict([]*exec.Pair{
			pair("id", v.callID(c.ID)), pair("type", "function"),
			pair("function", dict([]*exec.Pair{pair("name", c.Name), pair("arguments", arguments)})),
		}))
	}
	return all, nil
}

// value is a tool as the template sees it. Words that JSON schema gives a meaning
// go unmarked: templates compare them.
func (t Tool) value(mark, markKey func(string) string) (any, error) {
	parameters := t.Parameters
	if parameters == "" {
		parameters = `{"type": "object", "properties": {}}`
	}
	schema, err := fromJSON(parameters, func(s string) string {
		if schemaTypes[s] {
			return s
		}
		return mark(s)
	}, markKey)
	if err != nil || !exec.AsValue(schema).IsDict() {
		return nil, errNotJSON
	}
	function := []*exec.Pair{pair("name", t.Name)}
	if t.Description != "" {
		function = append(function, pair("description", mark(t.Description)))
	}
	function = append(function, pair("parameters", schema))
	return dict([]*exec.Pair{pair("type", "function"), pair("function", dict(function))}), nil
}

var schemaTypes = map[string]bool{
	"object": true, "array": true, "string": true, "number": true, "integer": true, "boolean": true, "null": true,
}

var (
	plainID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	shortID = regexp.MustCompile(`^[A-Za-z0-9]{9}$`)
)

// callID is a call's id as the template takes it. Mistral's want nine letters and
// digits. An id only has to be the same in the call and in its answer, so others
// get one of that kind.
func (v *variant) callID(id string) string {
	if shortID.MatchString(id) || !v.shortIDs && plainID.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return base32.StdEncoding.EncodeToString(sum[:])[:9]
}
