package zoo

import (
	"encoding/json"
	"slices"
)

// chatTemplate is the conversation format of the cast, in the style of
// Mistral's instruct models.
const chatTemplate = `{{ bos_token }}{% for message in messages %}` +
	`{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}` +
	`{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}` +
	`{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}` +
	`{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}` +
	`{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}` +
	`{% endfor %}`

// tokenizerJSON writes the vocabulary in the tokenizer.json format that
// Hugging Face's tokenizers library reads.
func (v vocabulary) tokenizerJSON() ([]byte, error) {
	type object = map[string]any
	ids := make(map[string]int, len(v.tokens))
	for id, t := range v.tokens {
		ids[t] = id
	}
	var added []object
	add := func(id int, t string) {
		added = append(added, object{
			"id": id, "content": t, "single_word": false, "lstrip": false,
			"rstrip": false, "normalized": false, "special": true,
		})
	}
	for id, t := range controlTokens {
		add(id, t)
	}
	for i, t := range v.added {
		add(len(v.tokens)+i, t)
	}
	return json.MarshalIndent(object{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens": added,
		"normalizer":   nil,
		"pre_tokenizer": object{
			"type": "Split", "pattern": object{"Regex": piecePattern},
			"behavior": "Isolated", "invert": false,
		},
		"post_processor": nil,
		"decoder":        object{"type": "ByteFallback"},
		"model": object{
			"type": "BPE", "dropout": nil, "unk_token": tokenUnknown,
			"continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": true, "ignore_merges": false,
			"vocab": ids, "merges": v.merges,
		},
	}, "", " ")
}

// seeingTemplate is that of models that see, in the style of LLaVA-NeXT's: content is
// text or a list of parts, and pictures stand before the text.
const seeingTemplate = `{{ bos_token }}{% for message in messages %}` +
	`{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}` +
	`{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}` +
	`{% if message['role'] == 'user' %}{{ '[INST] ' }}` +
	`{% if message['content'] is string %}{{ message['content'] }}{% else %}` +
	`{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\n' }}{% endif %}{% endfor %}` +
	`{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}` +
	`{% endif %}{{ ' [/INST]' }}` +
	`{% elif message['role'] == 'assistant' %}` +
	`{% if message['content'] is string %}{{ message['content'] }}{% else %}` +
	`{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}` +
	`{% endif %}{{ eos_token }}` +
	`{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}` +
	`{% endfor %}`

// tokenizerConfigJSON writes tokenizer_config.json: the control tokens' roles
// and the chat template.
func (v vocabulary) tokenizerConfigJSON(maxLength int) ([]byte, error) {
	config := map[string]any{
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"unk_token":                    tokenUnknown,
		"bos_token":                    tokenBegin,
		"eos_token":                    tokenEnd,
		"additional_special_tokens":    append([]string{tokenAsk, tokenAnswer}, v.added...),
		"add_bos_token":                false,
		"add_eos_token":                false,
		"clean_up_tokenization_spaces": false,
		"model_max_length":             maxLength,
		"chat_template":                chatTemplate,
	}
	if slices.Contains(v.added, tokenImage) {
		config["chat_template"] = seeingTemplate
		config["image_token"] = tokenImage
		config["processor_class"] = "LlavaNextProcessor"
	}
	return json.MarshalIndent(config, "", "  ")
}
