package gateway

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// feature is a request field of OpenAI's or vLLM's that changes what a reply
// means and that this server does not honour yet. Ignoring it would be a lie;
// it is refused unless its value asks for nothing.
type feature struct {
	param   string
	neutral func(json.RawMessage) bool
}

// unsupportedFeatures, common to chat and completions. Fields that only hint
// (user, metadata, service_tier, ...) are ignored instead.
var unsupportedFeatures = []feature{
	{"skip_special_tokens", isTrue},
	{"bad_words", isEmpty},
	{"allowed_token_ids", isEmpty},
	{"logits_processors", isEmpty},
	{"truncate_prompt_tokens", never},
	{"prompt_logprobs", never},
	{"guided_grammar", never},
}

// unsupportedInChat adds the fields that only a chat has.
var unsupportedInChat = append([]feature{
	{"best_of", isNumber(1)},
	{"functions", isEmpty},
	{"function_call", isString("none", "auto")},
	{"audio", never},
	{"modalities", isTextOnly},
	{"web_search_options", never},
	{"echo", isFalse},
	{"chat_template", never},
	{"chat_template_kwargs", isEmpty},
	{"documents", isEmpty},
}, unsupportedFeatures...)

// unsupportedInCompletions adds the fields that only a text completion has.
var unsupportedInCompletions = append([]feature{
	{"suffix", isString("")},
	{"prompt_embeds", isEmpty},
	{"add_special_tokens", isTrue},
}, unsupportedFeatures...)

// unsupportedInResponses are the fields of a response, and those of a chat that
// people write there.
var unsupportedInResponses = append([]feature{
	{"background", isFalse},
	{"conversation", never},
	{"prompt", never},
	{"moderation", never},
	{"context_management", isEmpty},
	{"reasoning", isQuiet},
	{"messages", isEmpty},
	{"max_tokens", never},
	{"max_completion_tokens", never},
	{"logprobs", isFalse},
	{"response_format", never},
	{"guided_json", never},
	{"guided_regex", never},
	{"guided_choice", never},
	{"structured_outputs", isEmpty},
	{"functions", isEmpty},
	{"function_call", isString("none", "auto")},
	{"modalities", isTextOnly},
	{"best_of", isNumber(1)},
	{"echo", isFalse},
	{"chat_template", never},
	{"chat_template_kwargs", isEmpty},
}, unsupportedFeatures...)

// otherNames are those that fields of a chat have in a response.
var otherNames = map[string]string{
	"messages": "input", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens",
	"response_format": "text.format", "logprobs": "include", "functions": "tools", "function_call": "tool_choice",
}

// withOtherName tells whoever wrote a chat's field what to write in its place.
func withOtherName(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != unsupported || otherNames[f.Param] == "" {
		return err
	}
	return &fault.Error{Code: unsupported, Param: f.Param, Message: f.Param + " is a chat's: in a response it is " + otherNames[f.Param]}
}

// isQuiet accepts settings of reasoning that ask for none.
func isQuiet(v json.RawMessage) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(v, &fields) != nil {
		return false
	}
	for name, value := range fields {
		if !isNull(value) && !(name == "effort" && isString("none")(value)) {
			return false
		}
	}
	return true
}

// readGeneration reads a request to generate into body. Fields that neither body
// nor features knows are ignored, as OpenAI's clients expect.
func (g *Gateway) readGeneration(c *gin.Context, body any, features []feature) error {
	data, err := g.readBody(c)
	if err != nil {
		return err
	}
	if err := decodeJSON(data, body, false); err != nil {
		return err
	}
	return refuseUnsupported(data, features)
}

// refuseUnsupported names the first field of the body that can't be honoured.
func refuseUnsupported(body []byte, features []feature) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return fault.Wrap(err, fault.Invalid, "invalid JSON")
	}
	for _, f := range features {
		value, given := fields[f.param]
		if !given || isNull(value) || f.neutral(value) {
			continue
		}
		return &fault.Error{Code: unsupported, Param: f.param, Message: f.param + " is not supported by this server: leave it out"}
	}
	return nil
}

func isNull(v json.RawMessage) bool { return len(v) == 0 || bytes.Equal(v, []byte("null")) }

func never(json.RawMessage) bool { return false }

func isFalse(v json.RawMessage) bool { return bytes.Equal(v, []byte("false")) }

func isTrue(v json.RawMessage) bool { return bytes.Equal(v, []byte("true")) }

func isNumber(want float64) func(json.RawMessage) bool {
	return func(v json.RawMessage) bool {
		var got *float64
		return json.Unmarshal(v, &got) == nil && got != nil && *got == want
	}
}

func isString(want ...string) func(json.RawMessage) bool {
	return func(v json.RawMessage) bool {
		var got *string
		if json.Unmarshal(v, &got) != nil || got == nil {
			return false
		}
		for _, w := range want {
			if *got == w {
				return true
			}
		}
		return false
	}
}

// isEmpty accepts an empty list or object.
func isEmpty(v json.RawMessage) bool {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	return json.Unmarshal(v, &list) == nil && len(list) == 0 ||
		json.Unmarshal(v, &object) == nil && len(object) == 0
}

func isTextOnly(v json.RawMessage) bool {
	var list []string
	return json.Unmarshal(v, &list) == nil && len(list) == 1 && list[0] == "text"
}
