package chat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestAFinishedConversationHasNoReplyBegun(t *testing.T) {
	asking := template(t, chatml)
	messages := []Message{{Role: "user", Content: "2+3?"}, {Role: "assistant", Content: "5"}}
	const said = "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n5<|im_end|>\n"
	for _, c := range []struct {
		template *Template
		want     string
	}{{asking.Finished(), said}, {asking, said + "<|im_start|>assistant\n"}} {
		got, err := c.template.Render(messages)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
		ids, err := c.template.Encode(messages)
		require.NoError(t, err)
		require.Equal(t, c.template.tokenizer.Encode(c.want, true), ids)
	}
}

func TestRenderAsTheModelWasTrained(t *testing.T) {
	user, reply, system := Message{Role: "user", Content: "2+3?"}, Message{Role: "assistant", Content: "5"}, Message{Role: "system", Content: "Be brief."}
	for _, c := range []struct {
		name, template string
		messages       []Message
		want           string
	}{
		{"mistral", mistral, []Message{user}, "<s>[INST] 2+3? [/INST]"},
		{"mistral, a reply", mistral, []Message{user, reply, user}, "<s>[INST] 2+3? [/INST]5</s> [INST] 2+3? [/INST]"},
		{"mistral has no system role", mistral, []Message{system, user, reply, user}, "<s>[INST] Be brief.\n\n2+3? [/INST]5</s> [INST] 2+3? [/INST]"},
		{"several system messages", mistral, []Message{system, {Role: "developer", Content: "Be kind."}, user}, "<s>[INST] Be brief.\n\nBe kind.\n\n2+3? [/INST]"},
		{"a system message later", mistral, []Message{user, reply, system, user}, "<s>[INST] 2+3? [/INST]5</s> [INST] Be brief.\n\n2+3? [/INST]"},
		{"a system message alone", mistral, []Message{system}, "<s>[INST] Be brief. [/INST]"},
		{"llama 3", llama3, []Message{system, {Role: "user", Content: "  2+3?\n"}},
			"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" +
				"<|start_header_id|>user<|end_header_id|>\n\n2+3?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		{"developer is system", chatml, []Message{{Role: "developer", Content: "Be brief."}, user},
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"},
		{"chatml with its default", chatml, []Message{user},
			"<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"},
		{"empty contents", mistral, []Message{{Role: "user", Content: ""}}, "<s>[INST]  [/INST]"},
		{"contents are no templates", mistral, []Message{{Role: "user", Content: "{{ 1+1 }}{% raw %}<&>'"}}, "<s>[INST] {{ 1+1 }}{% raw %}<&>' [/INST]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiled := template(t, c.template)
			require.Equal(t, c.template, compiled.Source())
			before := fmt.Sprint(c.messages)
			got, err := compiled.Render(c.messages)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, before, fmt.Sprint(c.messages), "the caller's messages stay as they are")
		})
	}
}

func TestConversationsThatAreRefused(t *testing.T) {
	user := Message{Role: "user", Content: "x"}
	for _, c := range []struct {
		name, template string
		messages       []Message
		says           string
	}{
		{"no messages", mistral, nil, "messages is empty"},
		{"an unknown role", mistral, []Message{user, {Role: "robot", Content: "x"}}, `messages[1].role is "robot"`},
		{"what the template raises", mistral, []Message{user, user}, "Conversation roles must alternate user/assistant/user/assistant/..."},
		{"raised with text of its own", `{{ raise_exception('no ' ~ messages[0].role) }}`, []Message{user}, "no user"},
		{"a model without a template", "", []Message{user}, "no chat template"},
		{"a filter that isn't one", `{{ messages[0].content | nonsense }}`, []Message{user}, "chat template fails"},
		{"a template that fails", `{{ messages[0].content.nothing.at.all() }}`, []Message{user}, "chat template fails"},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiled := template(t, c.template)
			_, err := compiled.Render(c.messages)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			_, err = compiled.Encode(c.messages)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
		})
	}
	_, err := template(t, mistral).Encode([]Message{user, user})
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Equal(t, "messages", f.Param)
}

func TestTemplatesWriteOnlySoMuch(t *testing.T) {
	for name, source := range map[string]string{
		"loops in loops":       `{% for a in range(1000) %}{% for b in range(1000) %}{{ '0123456789abcdef0123456789abcdef' }}{% endfor %}{% endfor %}`,
		"plain text in a loop": `{% for a in range(100000) %}` + strings.Repeat("x", 1000) + `{% endfor %}`,
		"a range without end":  `{% for a in range(1000000000000) %}{% endfor %}`,
		"a range backwards":    `{% for a in range(0, -1000000000000, -1) %}{% endfor %}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := template(t, source).Render([]Message{{Role: "user", Content: "x"}})
			require.Equal(t, fault.TooLarge, fault.CodeOf(err), "%v", err)
		})
	}
	long := strings.Repeat("x", maxRenderedBytes+1)
	_, err := template(t, mistral).Render([]Message{{Role: "user", Content: long}})
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
	_, err = New(long[:maxTemplateBytes+1], tokens(t))
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}

func TestRangeCountsAsInPython(t *testing.T) {
	for source, want := range map[string]string{
		"range(3)": "0 1 2 ", "range(0)": "", "range(1, 4)": "1 2 3 ", "range(5, 0, -2)": "5 3 1 ", "range(0, 5, 2)": "0 2 4 ", "range(3, 1)": "",
	} {
		got, err := template(t, `{% for i in `+source+` %}{{ i }} {% endfor %}`).Render([]Message{{Role: "user", Content: "x"}})
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
	for _, source := range []string{"range()", "range(1, 2, 0)", "range('3')", "range(1, 2, 3, 4)"} {
		_, err := template(t, `{% for i in `+source+` %}{% endfor %}`).Render([]Message{{Role: "user", Content: "x"}})
		require.Equal(t, fault.Invalid, fault.CodeOf(err), source)
	}
}

func TestTemplatesReachNoFiles(t *testing.T) {
	const secret = "mergeway-secret"
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	t.Chdir(filepath.Dir(path))
	for _, name := range []string{path, "secret", "./secret", "/secret", "../" + filepath.Base(filepath.Dir(path)) + "/secret"} {
		for _, source := range []string{`{%% include %q %%}`, `{%% import %q as x %%}{{ x }}`, `{%% from %q import x %%}{{ x }}`, `{%% extends %q %%}`, `{%% include [%q] %%}`} {
			compiled, err := New(fmt.Sprintf(source, name), tokens(t))
			if err != nil {
				require.Equal(t, fault.Damaged, fault.CodeOf(err))
				require.NotContains(t, err.Error(), secret)
				continue
			}
			_, err = compiled.Render([]Message{{Role: "user", Content: "x"}})
			require.Equal(t, fault.Invalid, fault.CodeOf(err), source)
			require.NotContains(t, err.Error(), secret)
		}
	}
}

// As transformers sets Jinja up: trim_blocks and lstrip_blocks.
func TestBlocksTakeTheirLineAndNoMore(t *testing.T) {
	for source, want := range map[string]string{
		"a\n  {% if true %}\nb\n  {% endif %}\nc":        "a\nb\nc",
		"a {% if true %} b {% endif %} c":                "a  b  c",
		"{{ 'a' }} {% if true %}b{% endif %}\n{{ 'c' }}": "a bc",
		"  {% if true %}a{% endif %}":                    "a",
		"  {%+ if true %}a{% endif %}":                   "  a",
		"a  {%- if true -%}  b  {%- endif -%}  c":        "abc",
		"a\n  {# note #}\nb":                             "a\nb",
		"a\n  {{ 'b' }}\nc":                              "a\n  b\nc",
	} {
		got, err := template(t, source).Render([]Message{{Role: "user", Content: "x"}})
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
}

func TestTemplatesThatDoNotCompileAreDamaged(t *testing.T) {
	for _, source := range []string{`{% for x in messages %}`, `{{ `, `{% nonsense %}`, `{% if %}{% endif %}`, `{{ "`} {
		_, err := New(source, tokens(t))
		require.Equal(t, fault.Damaged, fault.CodeOf(err), source)
	}
}

func TestStrftimeNow(t *testing.T) {
	before := time.Now()
	got, err := template(t, `{{ strftime_now('%Y-%m-%d') }}|{{ strftime_now('%d %b %Y, %A %B %a %H:%M:%S') }}|{{ strftime_now('100%% %q %') }}`).Render([]Message{{Role: "user", Content: "x"}})
	after := time.Now()
	require.NoError(t, err)
	parts := strings.Split(got, "|")
	require.Len(t, parts, 3)
	require.Contains(t, []string{before.Format(time.DateOnly), after.Format(time.DateOnly)}, parts[0])
	full, err := time.ParseInLocation("02 Jan 2006, Monday January Mon 15:04:05", parts[1], time.Local)
	require.NoError(t, err)
	require.False(t, full.Before(before.Truncate(time.Second)))
	require.False(t, full.After(after))
	require.Equal(t, "100% %q %", parts[2])
}

func TestLoadFindsTheTemplate(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		code  fault.Code
	}{
		"none":              {nil, "", ""},
		"no config":         {map[string]string{"tokenizer_config.json": ""}, "", fault.Damaged},
		"in the config":     {map[string]string{"tokenizer_config.json": `{"chat_template":"A"}`}, "A", ""},
		"null":              {map[string]string{"tokenizer_config.json": `{"chat_template":null}`}, "", ""},
		"a list":            {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"tool","template":"B"},{"name":"default","template":"A"}]}`}, "A", ""},
		"a file of its own": {map[string]string{"chat_template.jinja": "C", "tokenizer_config.json": `{"chat_template":"A"}`}, "C", ""},
		"no default":        {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"tool","template":"B"}]}`}, "", fault.Damaged},
		"a number":          {map[string]string{"tokenizer_config.json": `{"chat_template":1}`}, "", fault.Damaged},
		"not a template":    {map[string]string{"chat_template.jinja": "{{"}, "", fault.Damaged},
		"too long":          {map[string]string{"chat_template.jinja": strings.Repeat("x", maxTemplateBytes+1)}, "", fault.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Load(folder(t, c.files), tokens(t))
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			if err == nil {
				require.Equal(t, c.want, got.Source())
			}
		})
	}
}
