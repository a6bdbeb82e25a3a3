package gateway

// TokenizeRequest is the body of POST /tokenize: a prompt, or a conversation.
type TokenizeRequest struct {
	Model               string        `json:"model" example:"base"`                          // whose tokens; the default model's if absent, else those that all models have in common
	Prompt              *string       `json:"prompt" extensions:"x-nullable"`                // text
	Messages            []ChatMessage `json:"messages" extensions:"x-nullable"`              // in place of a prompt: a conversation, as the chat template writes it
	Tools               []Tool        `json:"tools" extensions:"x-nullable"`                 // of a conversation: functions that the model may call
	AddSpecialTokens    *bool         `json:"add_special_tokens" extensions:"x-nullable"`    // begin with the beginning-of-text token, as a completions prompt does; true if absent, and always false for messages, whose template writes it
	ParseSpecial        *bool         `json:"parse_special" extensions:"x-nullable"`         // the name of a special token in the prompt is that token; true if absent. false: it is text, as in a completions prompt
	AddGenerationPrompt *bool         `json:"add_generation_prompt" extensions:"x-nullable"` // end messages with the beginning of a reply; true if absent
	ReturnTokenStrs     bool          `json:"return_token_strs"`                             // give token_strs, too
}

// Tokens is the reply to POST /tokenize.
type Tokens struct {
	Count       int      `json:"count"`                              // how many they are
	MaxModelLen int      `json:"max_model_len"`                      // tokens of the longest prompt plus reply
	Tokens      []int32  `json:"tokens"`                             // token ids of the model
	TokenStrs   []string `json:"token_strs" extensions:"x-nullable"` // as the vocabulary writes them, if asked for
}

// DetokenizeRequest is the body of POST /detokenize.
type DetokenizeRequest struct {
	Model  string   `json:"model" example:"base"`                                  // whose tokens; the default model's if absent, else those that all models have in common
	Tokens []*int64 `json:"tokens" binding:"required" swaggertype:"array,integer"` // token ids of the model
}

// Detokenized is the reply to POST /detokenize.
type Detokenized struct {
	Prompt string `json:"prompt"` // special tokens are written by their names
}

// TokenizerInfo is the reply to GET /tokenizer_info.
type TokenizerInfo struct {
	Model        string  `json:"model" example:"base"`                             // whose tokenizer this is
	BOSToken     *string `json:"bos_token" extensions:"x-nullable" example:"<s>"`  // begins a text
	EOSToken     *string `json:"eos_token" extensions:"x-nullable" example:"</s>"` // ends a reply
	PadToken     *string `json:"pad_token" extensions:"x-nullable"`                // fills up
	BOSTokenID   *int32  `json:"bos_token_id" extensions:"x-nullable" example:"1"` // its id
	EOSTokenID   *int32  `json:"eos_token_id" extensions:"x-nullable" example:"2"` // its id
	PadTokenID   *int32  `json:"pad_token_id" extensions:"x-nullable"`             // its id
	ChatTemplate *string `json:"chat_template" extensions:"x-nullable"`            // Jinja
	VocabSize    int     `json:"vocab_size" example:"32000"`                       // token ids lie below it
	MaxModelLen  int     `json:"max_model_len" example:"4096"`                     // tokens of the longest prompt plus reply
}

// ApplyTemplateRequest is the body of POST /apply-template.
type ApplyTemplateRequest struct {
	Model               string        `json:"model" example:"base"` // whose template; the default model's if absent, else that which all models have in common
	Messages            []ChatMessage `json:"messages" binding:"required"`
	Tools               []Tool        `json:"tools" extensions:"x-nullable"`                 // functions that the model may call
	AddGenerationPrompt *bool         `json:"add_generation_prompt" extensions:"x-nullable"` // end with the beginning of a reply; true if absent
}

// AppliedTemplate is the reply to POST /apply-template.
type AppliedTemplate struct {
	Prompt string `json:"prompt"` // the conversation as the model sees it
	Count  int    `json:"count"`  // tokens that the model would see
}
