package gateway

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// A chat made of instructions, a stored conversation, and an input of which the
// second item is a message, the third and fourth are calls that it makes, the
// fifth is the output of one, and the sixth is a stored item.
var exampleNames = responseNames{
	{item: itemName{param: "instructions", whole: true}},
	{item: itemName{param: "previous_response_id", whole: true}},
	{item: inputName(0)},
	{item: inputName(1), calls: []itemName{inputName(2), inputName(3)}},
	{item: inputName(4), output: true},
	{item: itemName{param: "input[5]", whole: true}},
}

func TestParamsOfAChatAreThoseOfTheResponse(t *testing.T) {
	for chat, want := range map[string]string{
		"model":                                "model",
		"temperature":                          "temperature",
		"stop[1]":                              "stop[1]",
		"max_completion_tokens":                "max_output_tokens",
		"max_tokens":                           "max_output_tokens",
		"logprobs":                             "include",
		"top_logprobs":                         "top_logprobs",
		"response_format":                      "text.format",
		"response_format.type":                 "text.format.type",
		"response_format.json_schema":          "text.format",
		"response_format.json_schema.schema":   "text.format.schema",
		"tools":                                "tools",
		"tools[2].type":                        "tools[2].type",
		"tools[2].function.name":               "tools[2].name",
		"tools[2].function":                    "tools[2]",
		"tool_choice":                          "tool_choice",
		"tool_choice.function.name":            "tool_choice.name",
		"messages":                             "input",
		"messages[0].content":                  "instructions",
		"messages[1].tool_calls[0].function":   "previous_response_id",
		"messages[2]":                          "input[0]",
		"messages[2].role":                     "input[0].role",
		"messages[2].content[1].text":          "input[0].content[1].text",
		"messages[3].content":                  "input[1].content",
		"messages[3].tool_calls":               "input[2]",
		"messages[3].tool_calls[0].id":         "input[2].call_id",
		"messages[3].tool_calls[1].function.x": "input[3].x",
		"messages[3].tool_calls[9].function.x": "input[2]",
		"messages[4].tool_call_id":             "input[4].call_id",
		"messages[4].content[1]":               "input[4].output",
		"messages[5].content[0]":               "input[5]",
		"messages[6].content":                  "input",
		"messages[-1].content":                 "input",
		"messages[x":                           "input",
	} {
		require.Equal(t, want, exampleNames.of(chat), chat)
	}
}

func TestErrorsOfAChatSpeakOfTheResponse(t *testing.T) {
	renamed := func(err error) *fault.Error {
		var f *fault.Error
		require.True(t, errors.As(exampleNames.inResponses(err), &f))
		return f
	}
	f := renamed(fault.Bad("messages[2].content[0]", "messages[2].content[0] is of type file"))
	require.Equal(t, "input[0].content[0]", f.Param)
	require.Equal(t, "input[0].content[0] is of type file", f.Message)

	f = renamed(fault.Bad("messages[1].tool_calls[0].id", "messages[1].tool_calls[0].id is too long"))
	require.Equal(t, "previous_response_id", f.Param)
	require.Equal(t, "previous_response_id (tool_calls[0].id) is too long", f.Message)

	f = renamed(&fault.Error{Code: contextLength, Param: "messages", Message: "no messages of 9000 tokens", Err: fmt.Errorf("cause")})
	require.Equal(t, fault.Error{Code: contextLength, Param: "input", Message: "no messages of 9000 tokens", Err: f.Err}, *f)
	require.EqualError(t, f.Err, "cause")

	f = renamed(fault.Bad("min_tokens", "min_tokens is 5 and max_tokens 4: no reply can have both"))
	require.Equal(t, "min_tokens is 5 and max_output_tokens 4: no reply can have both", f.Message)

	plain := fmt.Errorf("max_tokens")
	require.Equal(t, plain, exampleNames.inResponses(plain))
	require.NoError(t, exampleNames.inResponses(nil))
}
