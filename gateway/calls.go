package gateway

import (
	"crypto/rand"
	"encoding/json"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/toolcall"
)

// finishCalls is OpenAI's finish reason of a reply that calls tools.
const finishCalls = "tool_calls"

// callFormat tells how a model writes calls.
func callFormat(m *infer.Model) toolcall.Format {
	return toolcall.For(m.Template.ToolSource(), m.Tokenizer)
}

// reads tells whether calls can be found in replies of a format. Where none was
// taught, any JSON may be an answer, unless a call was asked for.
func (u *toolUse) reads(f toolcall.Format) bool { return u != nil && (u.forced || f.Known()) }

// spec says what replies may be: text that may hold calls, calls alone, or what
// answer says beside them. nil: anything.
func (u *toolUse) spec(f toolcall.Format, answer *constrain.Spec) *constrain.Spec {
	if !u.reads(f) {
		return answer
	}
	calls := constrain.Calls{Form: f.Form(), Most: 1, Free: !u.forced}
	if f.Parallel() {
		calls.Most = u.most
	}
	held := u.forced
	for _, i := range u.only {
		tool := u.offered[i]
		function := constrain.Function{Name: tool.Name, Schema: anyArguments, Param: toolParam(i)}
		if u.forced || u.strict[i] {
			held = true
			function.Schema = argumentsSchema(tool.Parameters)
		}
		calls.Functions = append(calls.Functions, function)
	}
	if !u.forced {
		calls.Answer = answer
	}
	if !held && calls.Answer == nil {
		return nil
	}
	spec := constrain.CallsOf(calls)
	spec.Param = "tools"
	return &spec
}

const (
	anyArguments = `{"type": "object"}`
	noArguments  = `{"type": "object", "properties": {}, "additionalProperties": false}`
)

// argumentsSchema is what a tool's arguments are held to: its parameters, which are
// an object, and no others than those that it names unless it says so. A function
// has no use for arguments that it doesn't know.
func argumentsSchema(parameters string) string {
	if parameters == "" {
		return noArguments
	}
	var schema map[string]json.RawMessage
	if json.Unmarshal([]byte(parameters), &schema) != nil {
		return parameters // and is refused
	}
	extra := ""
	if _, typed := schema["type"]; !typed {
		extra += `"type": "object", `
	}
	open := true // what else there may be is said elsewhere
	if _, named := schema["properties"]; named {
		open = false
		for _, keyword := range []string{"additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref"} {
			if _, given := schema[keyword]; given {
				open = true
			}
		}
	}
	if !open {
		extra += `"additionalProperties": false, `
	}
	if len(schema) == 0 {
		return anyArguments
	}
	return "{" + extra + parameters[1:]
}

// callSplitter takes the calls out of one choice's chunks.
type callSplitter struct{ reader *toolcall.Reader }

// newCallSplitter gives nil where there can't be calls.
func newCallSplitter(u *toolUse, f toolcall.Format, whole bool) *callSplitter {
	if !u.reads(f) {
		return nil
	}
	return &callSplitter{toolcall.NewReader(toolcall.Options{Format: f, Functions: u.names(), Most: u.most, Whole: whole})}
}

// split makes a piece of a chunk.
func (s *callSplitter) split(index int, c infer.Chunk) piece {
	p := piece{index: index, Chunk: c}
	if s == nil {
		return p
	}
	parts := s.reader.Push(c.Text)
	if c.FinishReason != "" {
		parts = append(parts, s.reader.Flush()...)
	}
	p.Text = ""
	for _, part := range parts {
		switch {
		case part.Name != "":
			p.calls = append(p.calls, ToolCallDelta{
				Index: part.Call, ID: "call_" + rand.Text(), Type: "function", Function: FunctionCallDelta{Name: part.Name},
			})
		case part.Arguments != "":
			p.calls = append(p.calls, ToolCallDelta{Index: part.Call, Function: FunctionCallDelta{Arguments: part.Arguments}})
		default:
			p.Text += part.Text
		}
	}
	if c.FinishReason == infer.FinishStop && s.reader.Called() {
		p.FinishReason = finishCalls
	}
	return p
}

// addCalls puts what a piece adds to the calls of a reply.
func addCalls(calls []ToolCall, deltas []ToolCallDelta) []ToolCall {
	for _, d := range deltas {
		if d.ID != "" {
			calls = append(calls, ToolCall{ID: d.ID, Type: d.Type, Function: FunctionCall{Name: d.Function.Name}})
		}
		calls[d.Index].Function.Arguments += d.Function.Arguments
	}
	return calls
}
