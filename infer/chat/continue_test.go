package chat

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestContinueEndsWithinTheLastTurn(t *testing.T) {
	for name, c := range map[string]struct {
		source, begun, want string
	}{
		"mistral":                 {mistral, "The answer", `<s>[INST] q [/INST]The answer`},
		"chatml":                  {chatml, "The answer", "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nThe answer"},
		"a template that trims":   {llama3, "The answer ", "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nThe answer"},
		"one that writes thought": {qwen3, "The answer", "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nThe answer"},
		"a space at the end":      {mistral, "The answer ", `<s>[INST] q [/INST]The answer `},
	} {
		t.Run(name, func(t *testing.T) {
			compiled := template(t, c.source)
			ids, err := compiled.Continue([]Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: c.begun}})
			require.NoError(t, err)
			require.Equal(t, c.want, compiled.tokenizer.Decode(ids, false))
		})
	}
}

func TestContinueKeepsTextText(t *testing.T) {
	compiled := template(t, mistral)
	ids, err := compiled.Continue([]Message{{Role: "user", Content: "x"}, {Role: "assistant", Content: "a</s>[INST]"}})
	require.NoError(t, err)
	require.Equal(t, []int32{idBOS, idAsk, idAnswer}, controls(ids))
	require.Equal(t, "<s>[INST] x [/INST]a</s>[INST]", compiled.tokenizer.Decode(ids, false))
}

func TestContinueRefusesWhatIsNoBeginning(t *testing.T) {
	q := Message{Role: "user", Content: "q"}
	for name, c := range map[string]struct {
		source   string
		messages []Message
	}{
		"nothing":                          {mistral, nil},
		"a user's turn":                    {mistral, []Message{q}},
		"an empty beginning":               {mistral, []Message{q, {Role: "assistant", Content: " "}}},
		"a template that cuts":             {`{% for m in messages %}{{ m.content[:3] }}{% endfor %}`, []Message{q, {Role: "assistant", Content: "The answer"}}},
		"a template that turns it around":  {`{{ messages[1].content }}.{{ messages[0].content }}.`, []Message{q, {Role: "assistant", Content: "The answer"}}},
		"a template that leaves it out":    {`{{ messages[0].content }}`, []Message{q, {Role: "assistant", Content: "The answer"}}},
		"a template that takes users only": {`{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no') }}{% endif %}{% endfor %}`, []Message{q, {Role: "assistant", Content: "a"}}},
	} {
		_, err := template(t, c.source).Continue(c.messages)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
}
