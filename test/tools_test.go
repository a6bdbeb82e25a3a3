package test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// markedCalls is a short template of the kind of Hermes and Qwen: the marks of a
// call are text. The models' context has no room for whole schemas.
const markedCalls = `{{ bos_token }}
{%- for tool in tools %}{{ tool.function.name + (tool.function.parameters.required | tojson) }}{% endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '[INST] ' + message.content + ' [/INST]' }}
    {%- elif message.role == 'tool' %}
        {{- '[INST] ' + message.content + ' [/INST]' }}
    {%- elif message.tool_calls %}
        {%- for call in message.tool_calls %}
            {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\n</tool_call>' }}
        {%- endfor %}
        {{- eos_token }}
    {%- else %}
        {{- message.content + eos_token }}
    {%- endif %}
{%- endfor %}`

// listedCalls is one of the kind of Mistral v0.3: the mark is a token that has no
// text, and ids have nine letters.
const listedCalls = `{{ bos_token }}
{%- for tool in tools %}{{ tool.function.name + ' ' }}{% endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '[INST] ' + message.content + ' [/INST]' }}
    {%- elif message.tool_calls is defined %}
        {{- '[TOOL_CALLS] [' }}
        {%- for call in message.tool_calls %}
            {%- if call.id | length != 9 %}{{ raise_exception('nine letters') }}{% endif %}
            {{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' }}
            {%- if not loop.last %}{{ ', ' }}{% endif %}
        {%- endfor %}
        {{- ']' + eos_token }}
    {%- elif message.role == 'tool' %}
        {{- '[INST] ' + message.tool_call_id + message.content + ' [/INST]' }}
    {%- else %}
        {{- message.content + eos_token }}
    {%- endif %}
{%- endfor %}`

// untaughtCalls knows tools and shows no form that anything is known about.
const untaughtCalls = `{{ bos_token }}
{%- for tool in tools %}{{ tool.function.name + ' ' }}{% endfor %}
{%- for message in messages %}
    {%- if message.role in ['user', 'tool'] %}
        {{- '[INST] ' + message.content + ' [/INST]' }}
    {%- else %}
        {{- message.content or '' }}
        {%- for call in message.tool_calls %}{{ call.function.name + (call.function.arguments | tojson) }}{% endfor %}
        {{- eos_token }}
    {%- endif %}
{%- endfor %}`

// The miniature models have never seen a tool. Given a template that knows tools
// they call them nevertheless, in the form that the template shows.
func TestOpenAIPythonClientOnTools(t *testing.T) {
	python := openaiPython(t)
	folder := t.TempDir()
	copyModel(t, folder, "ja-general", "plain")
	for name, template := range map[string]string{"marked": markedCalls, "listed": listedCalls, "untaught": untaughtCalls} {
		setTemplate(t, copyModel(t, folder, "ja-general", name), template)
	}
	renameToken(t, filepath.Join(folder, "listed", "tokenizer.json"), "<unk>", "[TOOL_CALLS]")
	s := start(t, options{models: folder})
	out, err := python(fromRoot("test", "python", "openai_tools.py"), s.url+"/v1", "plain", "marked", "listed", "untaught").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)

	// What the tokenizer's endpoints say of a conversation is what a chat sees.
	conversation := object{"model": "marked", "messages": []object{{"role": "user", "content": "3+4"}}, "tools": []object{{
		"type": "function", "function": object{"name": "add", "parameters": object{"type": "object", "required": []string{"a", "b"}}},
	}}}
	written := s.call("POST", "/apply-template", conversation)
	require.Equal(t, `<s>add["a", "b"][INST] 3+4 [/INST]`, written.text("prompt"))
	seen := s.call("POST", "/tokenize", conversation)
	require.Equal(t, written["count"], seen["count"])
	again := s.call("POST", "/v1/tokenize", object{"model": "marked", "prompt": written.text("prompt"), "add_special_tokens": false})
	require.Equal(t, again["tokens"], seen["tokens"], "the template writes the only beginning of sequence")
	conversation["max_tokens"] = 1
	require.Equal(t, written["count"], s.call("POST", "/v1/chat/completions", conversation).object("usage")["prompt_tokens"])
}

// renameToken gives a special token another name, in a tokenizer whose model needs
// no token for unknown text.
func renameToken(t *testing.T, path, from, to string) {
	t.Helper()
	editJSON(t, path, func(file object) {
		for _, added := range file.list("added_tokens") {
			if added.text("content") == from {
				added["content"] = to
			}
		}
		model := file.object("model")
		vocab := model.object("vocab")
		vocab[to] = vocab[from]
		delete(vocab, from)
		model["unk_token"] = nil
	})
}
