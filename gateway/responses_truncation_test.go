package gateway

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// A user's turn costs 4 + 1 tokens in these tests, an answer 12 + 1, the system's
// message 2 + 1.
func TestTruncationLeavesOutTheOldestTurns(t *testing.T) {
	turns := []string{"user: aaaa", "assistant: Hello, world", "system: xx", "user: bbbb", "assistant: Hello, world", "user: cccc"}
	var items []string
	for _, turn := range turns {
		role, text, _ := strings.Cut(turn, ": ")
		items = append(items, `{"role": "`+role+`", "content": "`+text+`"}`)
	}
	input := `[` + strings.Join(items, ",") + `]`
	const whole = 5 + 13 + 3 + 5 + 13 + 5
	for _, c := range []struct {
		name    string
		context int
		fields  string
		want    []string
		left    string // the texts of what the model was given, in the store
	}{
		{"all fit", whole + 4, `"max_output_tokens": 4`, turns, "aaaa Hello, world xx bbbb Hello, world cccc"},
		{"one too many", whole + 3, `"max_output_tokens": 4`, turns[2:], "xx bbbb Hello, world cccc"},
		{"room for a reply is a quarter", 57, ``, turns[2:], "xx bbbb Hello, world cccc"},
		{"room for a reply is at most half", 30, `"max_output_tokens": 1000`, []string{"system: xx", "user: cccc"}, "xx cccc"},
		{"only the last", 10, `"max_output_tokens": 2`, []string{"system: xx", "user: cccc"}, "xx cccc"},
		{"not even that", 6, ``, []string{"system: xx", "user: cccc"}, "xx cccc"},
		{"instructions stay", 30, `"instructions": "iii", "max_output_tokens": 4`, []string{"system: iii", "system: xx", "user: cccc"}, "xx cccc"},
	} {
		for _, stream := range []string{"false", "true"} {
			t.Run(c.name+", stream "+stream, func(t *testing.T) {
				b := newBench(t)
				b.engine.context = c.context
				fields := `"truncation": "auto", "stream": ` + stream
				if c.fields != "" {
					fields += ", " + c.fields
				}
				require.Equal(t, 200, b.send("POST", responsesPath, respond(input, fields)).status)
				require.Equal(t, prompted(c.want...), b.engine.seen()[0].Prompt)
				for id := range b.kept.all() {
					var left ResponseItemPage
					b.send("GET", responsesPath+"/"+id+"/input_items?order=asc", "").into(t, &left)
					var texts []string
					for _, item := range left.Data {
						texts = append(texts, *item.Content[0].Text)
					}
					require.Equal(t, c.left, strings.Join(texts, " "), "a conversation goes on from what is left")
				}
			})
		}
	}
}

func TestTruncationNamesWhatIsLeft(t *testing.T) {
	b := newBench(t)
	b.engine.context = 20
	long := strings.Repeat("a", 30)
	b.send("POST", responsesPath, respond(`[{"role": "user", "content": "`+long+`"}, {"role": "user", "content": "raise"}]`, `"truncation": "auto"`)).requireError(t, 400, "invalid", "input")
	b.send("POST", responsesPath, respond(`[{"role": "assistant", "content": "`+long+`"}]`, `"truncation": "auto"`))
	require.Equal(t, prompted("assistant: "+long), b.engine.seen()[0].Prompt, "there is nothing to go on with")
}

func TestWithoutTruncationALongConversationIsRefused(t *testing.T) {
	b := newBench(t)
	b.engine.refuse = fault.Wrap(infer.ErrContextLength, fault.Invalid, "9000 tokens, 8192 fit")
	b.engine.context = 3
	for _, fields := range []string{``, `"truncation": "disabled"`, `"truncation": null`, `"truncation": "auto"`} {
		b.send("POST", responsesPath, respond(`"hi"`, fields)).requireError(t, 400, "context_length_exceeded", "input")
	}
	b.engine.refuse = nil
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{FinishReason: "stop"})
	}
	b.response(respond(`[{"role": "user", "content": "ab"}, {"role": "user", "content": "cd"}]`, ""))
	require.Equal(t, prompted("user: ab", "user: cd"), b.engine.seen()[0].Prompt)
}
