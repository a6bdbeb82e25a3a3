package zoo

import (
	"encoding/json"
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
	for id, t := range controlTokens {
		added = append(added, object{
			"id": id, "content": t, "single_word": false, "lstrip": false,
			"rstrip": false, "normalized": false, "special": true,
		})
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

// tokenizerConfigJSON writes tokenizer_config.json: the control tokens' roles
// and the chat template.
func tokenizerConfigJSON(maxLength int) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"unk_token":                    tokenUnknown,
		"bos_token":                    tokenBegin,
		"eos_token":                    tokenEnd,
		"additional_special_tokens":    []string{tokenAsk, tokenAnswer},
		"add_bos_token":                false,
		"add_eos_token":                false,
		"clean_up_tokenization_spaces": false,
		"model_max_length":             maxLength,
		"chat_template":                chatTemplate,
	}, "", "  ")
}
