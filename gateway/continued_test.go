package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReplyCanBeBegunForTheModel(t *testing.T) {
	user, assistant := int32(len("user")), int32(len("assistant"))
	turns := `"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]`
	for _, c := range []struct {
		name, path, body string
		continued        bool
		prompt           []int32
	}{
		{"a chat", chatPath, `{"model": "base", ` + turns + `, "continue_final_message": true}`, true, []int32{begun, user, 'u', assistant, 'a'}},
		{"a chat as vLLM's clients ask", chatPath, `{"model": "base", ` + turns + `, "continue_final_message": true, "add_generation_prompt": false}`, true, []int32{begun, user, 'u', assistant, 'a'}},
		{"a chat that ends so", chatPath, `{"model": "base", ` + turns + `, "continue_final_message": false, "add_generation_prompt": true}`, false, []int32{user, 'u', assistant, 'a'}},
		{"messages", messagesPath, `{"model": "base", "max_tokens": 9, ` + turns + `}`, true, []int32{begun, user, 'u', assistant, 'a'}},
		{"messages without a beginning", messagesPath, converse(""), false, []int32{user, 'h', 'i'}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", c.path, c.body)
			require.Equal(t, 200, r.status, r.body)
			require.Equal(t, c.continued, b.engine.seen()[0].Continues)
			require.Equal(t, c.prompt, b.engine.seen()[0].Prompt)
		})
	}
	b := newBench(t)
	for fields, param := range map[string]string{
		`"continue_final_message": true`:                                "continue_final_message", // the user's
		`"add_generation_prompt": false`:                                "add_generation_prompt",
		`"continue_final_message": true, "add_generation_prompt": true`: "add_generation_prompt",
	} {
		b.send("POST", chatPath, ask(fields)).requireError(t, 400, "invalid", param)
	}
	b.send("POST", chatPath, `{"model": "base", "messages": [{"role": "assistant", "content": " "}], "continue_final_message": true}`).requireError(t, 400, "invalid", "continue_final_message")
}
