package chat

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestNamedTemplatesWriteTheirFormats(t *testing.T) {
	short := []Message{{Role: "user", Content: "2+3?"}}
	long := []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "2+3?"}, {Role: "assistant", Content: "5"}, {Role: "user", Content: "x"}}
	cases := map[string]struct{ short, long string }{
		"alpaca": {
			"### Instruction:\n2+3?\n\n### Response:\n",
			"Be brief.\n\n### Instruction:\n2+3?\n\n### Response:\n5</s>\n\n### Instruction:\nx\n\n### Response:\n"},
		"chatml": {
			"<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n",
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n5<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"},
		"exaone": {
			"[|system|][|endofturn|]\n[|user|]2+3?\n[|assistant|]",
			"[|system|]Be brief.[|endofturn|]\n[|user|]2+3?\n[|assistant|]5[|endofturn|]\n[|user|]x\n[|assistant|]"},
		"llama3": {
			"<s><|start_header_id|>user<|end_header_id|>\n\n2+3?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			"<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n2+3?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n5<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nx<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		"mistral": {
			"<s>[INST] 2+3? [/INST]",
			"<s>[INST] Be brief.\n\n2+3? [/INST] 5</s>[INST] x [/INST]"},
	}
	require.Len(t, Names(), len(cases))
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			want, known := cases[name]
			require.True(t, known)
			source, ok := Named(name)
			require.True(t, ok)
			compiled := template(t, source)
			got, err := compiled.Render(short)
			require.NoError(t, err)
			require.Equal(t, want.short, got)
			got, err = compiled.Render(long)
			require.NoError(t, err)
			require.Equal(t, want.long, got)
		})
	}
	for _, name := range []string{"", "none", "../named/chatml", "chatml.jinja"} {
		_, ok := Named(name)
		require.False(t, ok, name)
	}
}

func TestCheckSaysWhatDoesNotCompile(t *testing.T) {
	require.NoError(t, Check("{% for m in messages %}{{ m.content }}{% endfor %}"))
	require.NoError(t, Check("{{ raise_exception('when it is run') }}"))
	for _, source := range []string{"{% for m in messages %}", "{{ x", "{% nonsense %}", strings.Repeat("(", maxDepth+1)} {
		require.Equal(t, fault.Invalid, fault.CodeOf(Check(source)), source)
	}
}

func TestLoopsWithinLoopsEnd(t *testing.T) {
	loops := func(inner string) string {
		return "{% for m in messages %}{% for a in range(1000) %}{% for b in range(" + inner + ") %}{% endfor %}{% endfor %}{{ m.content }}{% endfor %}"
	}
	conversation := []Message{{Role: "user", Content: "x"}}
	text, err := template(t, loops("50")).Render(conversation)
	require.NoError(t, err)
	require.Equal(t, "x", text)
	_, err = template(t, loops("1000")).Render(conversation)
	require.Equal(t, fault.TooLarge, fault.CodeOf(err), "%v", err)
}
