package gateway

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// tellings are what an output tells of itself: the type of each event, its place, and
// what is new in it.
func tellings(t *testing.T, run func(o *responseOutput)) (lines []string, o *responseOutput) {
	t.Helper()
	o = &responseOutput{ids: &responseIDs{token: "T"}, tell: func(e ResponseEvent) error {
		e.SequenceNumber = 0
		data, err := json.Marshal(e)
		require.NoError(t, err)
		lines = append(lines, string(data))
		return nil
	}}
	run(o)
	return lines, o
}

func TestTextAndCallsAreItemsOneAfterTheOther(t *testing.T) {
	call := func(index int, id, name, arguments string) ToolCallDelta {
		d := ToolCallDelta{Index: index, ID: id, Function: FunctionCallDelta{Name: name, Arguments: arguments}}
		return d
	}
	var reply Response
	lines, o := tellings(t, func(o *responseOutput) {
		require.NoError(t, o.addText("We", nil))
		require.NoError(t, o.addText("ll", nil))
		require.NoError(t, o.addCall(call(0, "call_1", "f", "")))
		require.NoError(t, o.addCall(call(0, "", "", `{"a":`)))
		require.NoError(t, o.addCall(call(0, "", "", `1}`)))
		require.NoError(t, o.addCall(call(1, "call_2", "g", "{}")))
		require.NoError(t, o.finish(&reply, "tool_calls", Usage{PromptTokens: 2, CompletionTokens: 3, TotalTokens: 5}))
	})
	require.Equal(t, []string{
		`{"type":"response.output_item.added","sequence_number":0,"output_index":0,"item":{"id":"msg_T_1","type":"message","status":"in_progress","role":"assistant","content":[]}}`,
		`{"type":"response.content_part.added","sequence_number":0,"output_index":0,"item_id":"msg_T_1","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}`,
		`{"type":"response.output_text.delta","sequence_number":0,"output_index":0,"item_id":"msg_T_1","content_index":0,"delta":"We","logprobs":[]}`,
		`{"type":"response.output_text.delta","sequence_number":0,"output_index":0,"item_id":"msg_T_1","content_index":0,"delta":"ll","logprobs":[]}`,
		`{"type":"response.output_text.done","sequence_number":0,"output_index":0,"item_id":"msg_T_1","content_index":0,"text":"Well","logprobs":[]}`,
		`{"type":"response.content_part.done","sequence_number":0,"output_index":0,"item_id":"msg_T_1","content_index":0,"part":{"type":"output_text","text":"Well","annotations":[],"logprobs":[]}}`,
		`{"type":"response.output_item.done","sequence_number":0,"output_index":0,"item":{"id":"msg_T_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Well","annotations":[],"logprobs":[]}]}}`,
		`{"type":"response.output_item.added","sequence_number":0,"output_index":1,"item":{"id":"fc_T_2","type":"function_call","status":"in_progress","call_id":"call_1","name":"f","arguments":""}}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":0,"output_index":1,"item_id":"fc_T_2","delta":"{\"a\":"}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":0,"output_index":1,"item_id":"fc_T_2","delta":"1}"}`,
		`{"type":"response.function_call_arguments.done","sequence_number":0,"output_index":1,"item_id":"fc_T_2","arguments":"{\"a\":1}"}`,
		`{"type":"response.output_item.done","sequence_number":0,"output_index":1,"item":{"id":"fc_T_2","type":"function_call","status":"completed","call_id":"call_1","name":"f","arguments":"{\"a\":1}"}}`,
		`{"type":"response.output_item.added","sequence_number":0,"output_index":2,"item":{"id":"fc_T_3","type":"function_call","status":"in_progress","call_id":"call_2","name":"g","arguments":""}}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":0,"output_index":2,"item_id":"fc_T_3","delta":"{}"}`,
		`{"type":"response.function_call_arguments.done","sequence_number":0,"output_index":2,"item_id":"fc_T_3","arguments":"{}"}`,
		`{"type":"response.output_item.done","sequence_number":0,"output_index":2,"item":{"id":"fc_T_3","type":"function_call","status":"completed","call_id":"call_2","name":"g","arguments":"{}"}}`,
	}, lines)
	require.Equal(t, o.items, reply.Output)
	require.Equal(t, statusCompleted, reply.Status)
	require.NotNil(t, reply.CompletedAt)
	require.Nil(t, reply.IncompleteDetails)
	require.Equal(t, &ResponseUsage{InputTokens: 2, OutputTokens: 3, TotalTokens: 5}, reply.Usage)
}

func TestACallThatIsCutOffIsIncomplete(t *testing.T) {
	var reply Response
	_, o := tellings(t, func(o *responseOutput) {
		require.NoError(t, o.addCall(ToolCallDelta{ID: "call_1", Function: FunctionCallDelta{Name: "f", Arguments: `{"a"`}}))
		require.NoError(t, o.addCall(ToolCallDelta{Index: 1, ID: "call_2", Function: FunctionCallDelta{Name: "f", Arguments: `{"b"`}}))
		require.NoError(t, o.finish(&reply, infer.FinishLength, Usage{}))
	})
	require.Len(t, o.items, 2)
	require.Equal(t, statusCompleted, o.items[0].Status)
	require.Equal(t, statusIncomplete, o.items[1].Status)
	require.Equal(t, `{"b"`, *o.items[1].Arguments)
	require.Equal(t, statusIncomplete, reply.Status)
	require.Nil(t, reply.CompletedAt)
}

func TestTokensOfATextAreThoseBeforeTheCalls(t *testing.T) {
	token := func(text string) ChatTokenLogprob {
		l := ChatTokenLogprob{ChatTopLogprob: ChatTopLogprob{Token: text}}
		for _, b := range []byte(text) {
			l.Bytes = append(l.Bytes, int(b))
		}
		return l
	}
	all := []ChatTokenLogprob{token(" We"), token("ll"), token("."), token("<call>"), token("{")}
	for text, want := range map[string]int{"": 0, "Well.": 3, " Well.": 3, "We": 1, "Well.<call>{": 5, "Well.<call>{}": 5} {
		require.Equal(t, all[:want], tokensOf(text, all), text)
	}
}
