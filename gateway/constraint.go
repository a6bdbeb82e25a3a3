package gateway

import (
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/toolcall"
)

// Grammars is what the gateway needs of a constrain.Compiler.
type Grammars interface {
	Compile(v constrain.Vocabulary, s constrain.Spec) (*constrain.Grammar, error)
}

// ConstraintFields say what form a reply has: OpenAI's response_format, or one of
// vLLM's names for the same. At most one may be given.
type ConstraintFields struct {
	ResponseFormat    json.RawMessage `json:"response_format" swaggertype:"object"`                             // {"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", "json_schema": {"schema": ...}}
	StructuredOutputs json.RawMessage `json:"structured_outputs" swaggertype:"object"`                          // vLLM's: {"json": schema}, {"regex": ...}, {"choice": [...]} or {"json_object": true}
	GuidedJSON        json.RawMessage `json:"guided_json" swaggertype:"object"`                                 // a JSON schema that the reply satisfies
	GuidedRegex       *string         `json:"guided_regex" extensions:"x-nullable"`                             // a regular expression that the whole reply matches
	GuidedChoice      []*string       `json:"guided_choice" swaggertype:"array,string" extensions:"x-nullable"` // one of these texts is the whole reply
}

// spec reads what a reply may be; nil: anything.
func (f ConstraintFields) spec() (*constrain.Spec, error) {
	var all []constrain.Spec
	add := func(s *constrain.Spec, err error) error {
		if s != nil {
			all = append(all, *s)
		}
		return err
	}
	for _, read := range []func() (*constrain.Spec, error){
		f.responseFormat, f.structuredOutputs,
		func() (*constrain.Spec, error) { return schemaSpec("guided_json", f.GuidedJSON) },
		func() (*constrain.Spec, error) { return regexSpec("guided_regex", f.GuidedRegex) },
		func() (*constrain.Spec, error) { return choiceSpec("guided_choice", f.GuidedChoice) },
	} {
		if err := add(read()); err != nil {
			return nil, err
		}
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return &all[0], nil
	}
	return nil, fault.Bad(all[1].Param, "%s and %s both say what a reply may be: give one", all[0].Param, all[1].Param)
}

// responseFormat reads OpenAI's response_format.
func (f ConstraintFields) responseFormat() (*constrain.Spec, error) {
	const param = "response_format"
	if isNull(f.ResponseFormat) {
		return nil, nil
	}
	var format struct {
		Type       string `json:"type"`
		JSONSchema *struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := json.Unmarshal(f.ResponseFormat, &format); err != nil {
		return nil, fault.Bad(param, "response_format must be an object with a type")
	}
	switch format.Type {
	case "text":
		return nil, nil
	case "json_object":
		return &constrain.Spec{Kind: constrain.JSONObject, Param: param}, nil
	case "json_schema":
		if format.JSONSchema == nil || isNull(format.JSONSchema.Schema) {
			return nil, fault.Bad(param+".json_schema", "response_format.json_schema has no schema")
		}
		return schemaSpec(param, format.JSONSchema.Schema)
	}
	return nil, fault.Bad(param+".type", "response_format.type is %q: it must be text, json_object or json_schema", clip(format.Type, 40))
}

// structuredOutputs reads vLLM's structured_outputs.
func (f ConstraintFields) structuredOutputs() (*constrain.Spec, error) {
	const param = "structured_outputs"
	if isNull(f.StructuredOutputs) || isEmpty(f.StructuredOutputs) {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(f.StructuredOutputs, &fields); err != nil {
		return nil, fault.Bad(param, "structured_outputs must be an object")
	}
	var inner ConstraintFields
	object := false
	for name, value := range fields {
		var err error
		switch {
		case isNull(value):
		case name == "json":
			inner.GuidedJSON = value
		case name == "regex":
			err = json.Unmarshal(value, &inner.GuidedRegex)
		case name == "choice":
			err = json.Unmarshal(value, &inner.GuidedChoice)
		case name == "json_object":
			err = json.Unmarshal(value, &object)
		default:
			return nil, &fault.Error{Code: unsupported, Param: param, Message: "structured_outputs." + clip(name, 40) + " is not supported by this server: json, regex, choice and json_object are"}
		}
		if err != nil {
			return nil, fault.Bad(param, "structured_outputs.%s has the wrong type", clip(name, 40))
		}
	}
	if object {
		inner.ResponseFormat = json.RawMessage(`{"type": "json_object"}`)
	}
	spec, err := inner.spec()
	if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Param: param, Message: err.Error()}
	}
	if spec != nil {
		spec.Param = param
	}
	return spec, nil
}

// schemaSpec reads a JSON schema: an object, or one written as a string.
func schemaSpec(param string, raw json.RawMessage) (*constrain.Spec, error) {
	if isNull(raw) {
		return nil, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fault.Bad(param, "%s is not a string", param)
		}
	}
	return &constrain.Spec{Kind: constrain.JSONSchema, Text: text, Param: param}, nil
}

func regexSpec(param string, regex *string) (*constrain.Spec, error) {
	if regex == nil {
		return nil, nil
	}
	return &constrain.Spec{Kind: constrain.Regex, Text: *regex, Param: param}, nil
}

func choiceSpec(param string, options []*string) (*constrain.Spec, error) {
	if options == nil {
		return nil, nil
	}
	all := make([]string, len(options))
	for i, o := range options {
		if o == nil {
			return nil, fault.Bad(param, "a choice is null")
		}
		all[i] = *o
	}
	spec := constrain.ChoiceOf(all...)
	spec.Param = param
	return &spec, nil
}

// vocabulary is what a model picks tokens from.
func vocabulary(m *infer.Model) constrain.Vocabulary {
	return constrain.Vocabulary{Tokenizer: m.Tokenizer, Rows: m.Weights.Config().VocabSize, EOS: m.EndTokens()}
}

// constrained gives a job's request for one model, which writes calls in a format:
// with the grammar that its replies follow, if there is one.
func (g *Gateway) constrained(m *infer.Model, j job, format toolcall.Format) (infer.Request, error) {
	request, spec := j.request, j.constraint
	if j.tools.reads(format) {
		request.Named = format.Named()
		spec = j.tools.spec(format, j.constraint)
	}
	if spec == nil {
		return request, nil
	}
	grammar, err := g.grammars.Compile(g.vocabulary(m), *spec)
	if err != nil {
		return request, err
	}
	request.Sampling.Constraint = grammar
	return request, nil
}
