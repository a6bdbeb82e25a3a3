package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/constrain"
)

// toolUse is what a request says about tools; nil where the model is to know of
// none.
type toolUse struct {
	offered []chat.Tool // as the template tells about them
	strict  []bool      // of each: its arguments are held to the schema whoever chooses
	only    []int       // those that may be called
	forced  bool        // one has to be
	most    int         // calls of one reply
}

// toolUse checks the tools of a request, and what is to be done with them.
func (r ChatRequest) toolUse(l Limits) (*toolUse, error) {
	if len(r.Tools) > l.Tools {
		return nil, fault.Bad("tools", "%d tools: at most %d", len(r.Tools), l.Tools)
	}
	use := &toolUse{most: l.ToolCalls}
	if r.ParallelToolCalls != nil && !*r.ParallelToolCalls {
		use.most = 1
	}
	byName := map[string]int{}
	for i, t := range r.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		tool, err := t.check(at, l)
		if err != nil {
			return nil, err
		}
		if _, twice := byName[tool.Name]; twice {
			return nil, fault.Bad(at+".function.name", "two tools are called %q", tool.Name)
		}
		byName[tool.Name] = i
		use.offered = append(use.offered, tool)
		use.strict = append(use.strict, t.Function.Strict != nil && *t.Function.Strict)
		use.only = append(use.only, i)
	}
	choice, err := readToolChoice(r.ToolChoice)
	if err != nil {
		return nil, err
	}
	switch {
	case choice.name != "":
		i, known := byName[choice.name]
		if !known {
			return nil, fault.Bad("tool_choice", "tool_choice names %q, which is none of the tools", clip(choice.name, 80))
		}
		use.only = []int{i}
	case choice.mode == "required" && len(r.Tools) == 0:
		return nil, fault.Bad("tool_choice", "tool_choice is required, and there are no tools")
	}
	if len(r.Tools) == 0 || choice.mode == "none" {
		return nil, nil
	}
	use.forced = choice.mode == "required"
	return use, nil
}

// check refuses what can't go together with tools.
func (u *toolUse) check(beams bool, answer *constrain.Spec) error {
	if beams {
		return fault.Bad("use_beam_search", "a beam search can't call tools")
	}
	if answer != nil && answer.Kind != constrain.JSONObject && answer.Kind != constrain.JSONSchema {
		return fault.Bad(answer.Param, "%s can't be kept beside tools: they need an answer that is JSON, or any", answer.Param)
	}
	return nil
}

// toolParam names the schema of a tool in a request.
func toolParam(i int) string { return fmt.Sprintf("tools[%d].function.parameters", i) }

// names are those of the tools that may be called.
func (u *toolUse) names() []string {
	names := make([]string, len(u.only))
	for i, at := range u.only {
		names[i] = u.offered[at].Name
	}
	return names
}

// toolChoice is a tool_choice that was read.
type toolChoice struct {
	mode string // none, auto or required
	name string // of the one that is required; "": any
}

func readToolChoice(raw json.RawMessage) (toolChoice, error) {
	if isNull(raw) || isString("auto")(raw) {
		return toolChoice{mode: "auto"}, nil
	}
	for _, mode := range []string{"none", "required"} {
		if isString(mode)(raw) {
			return toolChoice{mode: mode}, nil
		}
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &named) != nil || named.Type != "function" || named.Function.Name == "" {
		return toolChoice{}, fault.Bad("tool_choice", `tool_choice must be "none", "auto", "required" or {"type": "function", "function": {"name": ...}}`)
	}
	return toolChoice{mode: "required", name: named.Function.Name}, nil
}

// functionName is OpenAI's rule for names of functions.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkFunctionName refuses what no function is called.
func checkFunctionName(param, name string) error {
	if !functionName.MatchString(name) {
		return fault.Bad(param, "%s is %q: it must be 1 to 64 letters, digits, _ and -", param, clip(name, 80))
	}
	return nil
}

// check gives one tool in the template's terms.
func (t Tool) check(at string, l Limits) (chat.Tool, error) {
	if t.Type != "function" {
		return chat.Tool{}, &fault.Error{Code: unsupported, Param: at + ".type", Message: fmt.Sprintf("%s.type is %q: only functions are supported", at, clip(t.Type, 40))}
	}
	f := t.Function
	at += ".function"
	if err := checkFunctionName(at+".name", f.Name); err != nil {
		return chat.Tool{}, err
	}
	if size := len(f.Description) + len(f.Parameters); size > l.ToolBytes {
		return chat.Tool{}, fault.Bad(at, "%s has %d bytes of description and parameters: at most %d", at, size, l.ToolBytes)
	}
	tool := chat.Tool{Name: f.Name, Description: f.Description}
	if isNull(f.Parameters) {
		return tool, nil
	}
	at += ".parameters"
	if f.Parameters[0] != '{' {
		return chat.Tool{}, fault.Bad(at, "%s must be a JSON schema, which is an object", at)
	}
	var schema struct {
		Type json.RawMessage `json:"type"`
	}
	if err := json.Unmarshal(f.Parameters, &schema); err != nil || !isNull(schema.Type) && !isString("object")(schema.Type) {
		return chat.Tool{}, fault.Bad(at+".type", "%s.type must be object: arguments have names", at)
	}
	if depth := jsonDepth(f.Parameters); depth > l.ToolDepth {
		return chat.Tool{}, fault.Bad(at, "%s nests %d deep: at most %d", at, depth, l.ToolDepth)
	}
	tool.Parameters = string(f.Parameters)
	return tool, nil
}

// jsonDepth is how deep the objects and lists of some valid JSON nest.
func jsonDepth(text []byte) int {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth, deepest := 0, 0
	for {
		token, err := d.Token()
		switch {
		case err != nil: // the end
			return deepest
		case token == json.Delim('{') || token == json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case token == json.Delim('}') || token == json.Delim(']'):
			depth--
		}
	}
}
