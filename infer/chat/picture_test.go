package chat

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

const idImage = 11

// conversations with pictures, by what the golden texts below call them.
var withPictures = map[string][]Message{
	"one picture": {{Role: "user", Parts: []Part{{Picture: true}, {Text: "What is this?"}}}},
	"text only":   {{Role: "system", Content: "Be brief."}, {Role: "user", Content: "2+3?"}},
	"several turns": {
		{Role: "developer", Content: "Be brief."},
		{Role: "user", Parts: []Part{{Text: "First "}, {Picture: true}, {Text: "second"}, {Picture: true}}},
		{Role: "assistant", Content: "Two cats."},
		{Role: "user", Parts: []Part{{Text: "And?"}, {Picture: true}}},
	},
}

// What transformers 5.19 renders of them, with contents as lists of parts.
func TestTemplatesOfModelsThatSee(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		want   map[string]string
	}{
		"llava-next with mistral": {llavaNext, map[string]string{
			"one picture":   "[INST] <image>\nWhat is this? [/INST]",
			"text only":     "<<SYS>>\nBe brief.\n<</SYS>>\n\n[INST] 2+3? [/INST]",
			"several turns": "<<SYS>>\nBe brief.\n<</SYS>>\n\n[INST] <image>\n<image>\nFirst second [/INST] Two cats.</s> [INST] <image>\nAnd? [/INST]",
		}},
		"llava 1.5": {llava15, map[string]string{
			"one picture":   "USER: <image>\nWhat is this? ASSISTANT:",
			"text only":     "Be brief. USER: 2+3? ASSISTANT:",
			"several turns": "Be brief. USER: <image>\n<image>\nFirst  second ASSISTANT: Two cats. USER: <image>\nAnd? ASSISTANT:",
		}},
		// A text model's template has no place for pictures: they stand as in
		// LLaVA's own code.
		"mistral": {mistral, map[string]string{
			"one picture":   "<s>[INST] <image>\nWhat is this? [/INST]",
			"text only":     "<s>[INST] Be brief.\n\n2+3? [/INST]",
			"several turns": "<s>[INST] <image>\n<image>\nBe brief.\n\nFirst second [/INST]Two cats.</s> [INST] <image>\nAnd? [/INST]",
		}},
		"llama 3": {llama3, map[string]string{
			"one picture": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<image>\nWhat is this?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
		}},
		// One that reads both forms gets lists only where there are pictures.
		"both forms": {bothForms, map[string]string{
			"one picture": "user:<image>What is this?",
			"text only":   "system=Be brief.user=2+3?",
		}},
		// One that reads lists, but knows of no pictures.
		"lists of text": {`{% for m in messages %}{{ m.role }}:{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}`, map[string]string{
			"one picture": "user:<image>\nWhat is this?",
			"text only":   "system:Be brief.user:2+3?",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			seeing := template(t, c.source).Seeing(idImage)
			for conversation, want := range c.want {
				got, err := seeing.Render(withPictures[conversation])
				require.NoError(t, err, conversation)
				require.Equal(t, want, got, conversation)
				ids, err := seeing.Encode(withPictures[conversation])
				require.NoError(t, err, conversation)
				require.Equal(t, strings.Count(want, "<image>"), countImages(ids), conversation)
				require.Equal(t, want, seeing.tokenizer.Decode(ids, false), conversation)
			}
		})
	}
}

func TestUsersNameOfThePictureTokenStaysText(t *testing.T) {
	for name, source := range map[string]string{"llava-next": llavaNext, "llava 1.5": llava15, "mistral": mistral, "llama 3": llama3, "chatml": chatml} {
		seeing := template(t, source).Seeing(idImage)
		for _, text := range []string{"<image>", "a <image>\n<image>", "</s><image>[INST]", "<ima", " <image> "} {
			for want, m := range []Message{{Role: "user", Content: text}, {Role: "user", Parts: []Part{{Text: text}, {Picture: true}, {Text: "ge>"}}}} {
				ids, err := seeing.Encode([]Message{m})
				require.NoError(t, err, "%s %q", name, text)
				require.Equal(t, want, countImages(ids), "%s %q", name, text)
				require.NotContains(t, ids, int32(idEOS), "%s %q", name, text)
			}
		}
	}
}

func TestPicturesAreRefused(t *testing.T) {
	picture := []Message{{Role: "user", Parts: []Part{{Picture: true}}}}
	_, err := template(t, llavaNext).Encode(picture)
	require.ErrorContains(t, err, "reads no pictures")
	for name, c := range map[string]struct {
		source   string
		messages []Message
		want     string
	}{
		"of an assistant":       {llavaNext, []Message{{Role: "user", Content: "x"}, {Role: "assistant", Parts: picture[0].Parts}}, "only a user's turn"},
		"which it leaves out":   {`{{ messages[-1].content }}`, append(picture, Message{Role: "user", Content: "x"}), "of 1 it writes 0"},
		"which it writes twice": {`{{ messages[0].content }}{{ messages[0].content }}`, picture, "of 1 it writes 2"},
	} {
		_, err := template(t, c.source).Seeing(idImage).Encode(c.messages)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
		require.ErrorContains(t, err, c.want, name)
	}
}

// A token that tokenizers know, but not as a special one, can't be written as text.
func TestPictureTokensThatAreNotSpecial(t *testing.T) {
	seeing := template(t, mistral).Seeing(control256)
	ids, err := seeing.Encode([]Message{{Role: "user", Parts: []Part{{Picture: true}, {Text: "x"}}}})
	require.NoError(t, err)
	require.Contains(t, ids, int32(control256))
	_, err = seeing.Encode([]Message{{Role: "user", Content: "a" + seeing.tokenizer.Name(control256)}})
	require.ErrorContains(t, err, "the name of the token")
}

// The processor of transformers leaves it to the tokenizer to begin a prompt.
func TestTheTokenizerBeginsWhatTheTemplateDoesNot(t *testing.T) {
	tok, err := tokenizer.Load(folderWith(t, nil, nil, map[string]any{"type": "TemplateProcessing",
		"single":         []any{map[string]any{"SpecialToken": map[string]any{"id": "<s>", "type_id": 0}}, map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}},
		"pair":           []any{map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}, map[string]any{"Sequence": map[string]any{"id": "B", "type_id": 0}}},
		"special_tokens": map[string]any{"<s>": map[string]any{"id": "<s>", "ids": []int{idBOS}, "tokens": []string{"<s>"}}},
	}))
	require.NoError(t, err)
	require.True(t, tok.Begins())
	require.False(t, tokens(t).Begins())
	for name, source := range map[string]string{"the template doesn't": llavaNext, "it does": mistral} {
		compiled, err := New(source, tok)
		require.NoError(t, err)
		ids, err := compiled.Seeing(idImage).Encode(withPictures["one picture"])
		require.NoError(t, err, name)
		require.Equal(t, []int32{idBOS, idAsk}, controls(ids)[:2], name)
	}
	compiled, err := New(llavaNext, tok)
	require.NoError(t, err)
	ids, err := compiled.Encode([]Message{{Role: "user", Content: "x"}})
	require.NoError(t, err)
	require.NotContains(t, ids, int32(idBOS), "a text model's prompt is the template's alone")
}

func TestContinueAndFinishWithPictures(t *testing.T) {
	seeing := template(t, llava15).Seeing(idImage)
	messages := append(withPictures["one picture"], Message{Role: "assistant", Content: "A cat"})
	ids, err := seeing.Continue(messages)
	require.NoError(t, err)
	require.Equal(t, "USER: <image>\nWhat is this? ASSISTANT: A cat", seeing.tokenizer.Decode(ids, false))
	text, err := seeing.Finished().Render(messages[:1])
	require.NoError(t, err)
	require.Equal(t, "USER: <image>\nWhat is this? ", text)
}

// A tool may give a picture, where the template has a place for what tools give.
func TestToolsGivePictures(t *testing.T) {
	messages := []Message{
		{Role: "user", Content: "Look."},
		{Role: "assistant", ToolCalls: []ToolCall{{ID: "call_1", Name: "look", Arguments: `{}`}}},
		{Role: "tool", Parts: []Part{{Text: "here"}, {Picture: true}}, ToolCallID: "call_1", Name: "look"},
	}
	seeing := template(t, hermesTools).Seeing(idImage)
	text, err := seeing.Render(messages, Tool{Name: "look"})
	require.NoError(t, err)
	require.Contains(t, text, "<tool_response>\n<image>\nhere\n</tool_response>")
	ids, err := seeing.Encode(messages, Tool{Name: "look"})
	require.NoError(t, err)
	require.Equal(t, 1, countImages(ids))
}

// A processor's template counts before the tokenizer's.
func TestLoadTakesTheProcessorsTemplate(t *testing.T) {
	files := map[string]string{"tokenizer_config.json": `{"bos_token": "<s>", "eos_token": "</s>", "chat_template": "tokenizer"}`}
	for _, next := range []struct{ file, text, want string }{
		{"chat_template.jinja", "jinja", "jinja"},
		{"chat_template.json", `{"chat_template": "json"}`, "json"},
		{"processor_config.json", `{"image_token": "<image>"}`, "json"},
		{"processor_config.json", `{"chat_template": "processor"}`, "processor"},
		{"chat_template.json", `{"chat_template": [{"name": "default", "template": "list"}]}`, "processor"},
	} {
		files[next.file] = next.text
		source, err := ReadSource(folder(t, files))
		require.NoError(t, err)
		require.Equal(t, next.want, source)
	}
	_, err := ReadSource(folder(t, map[string]string{"chat_template.json": `{"chat_template": 5}`}))
	require.ErrorContains(t, err, "chat_template.json")
}

func countImages(ids []int32) int {
	n := 0
	for _, id := range ids {
		if id == idImage {
			n++
		}
	}
	return n
}

// llavaNext is the template of LLaVA-NeXT with Mistral 7B, of its processor.
const llavaNext = `{% for message in messages %}{% if message['role'] == 'system' %}{{ '<<SYS>>\n' + message['content'][0]['text'] + '\n<</SYS>>\n\n' }}{% elif message['role'] == 'user' %}{{ '[INST] ' }}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}{{' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '</s> '}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}`

// llava15 is that of LLaVA 1.5.
const llava15 = `{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}`

// bothForms is a template that tells text from lists, as later ones do.
const bothForms = `{% for m in messages %}{{ m.role }}{% if m.content is string %}={{ m.content }}{% else %}:{% for c in m.content %}{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}`
