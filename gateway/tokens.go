package gateway

import (
	"context"
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// unsupportedInTokens are fields of vLLM's and llama.cpp's tokenizer endpoints
// that would change what the tokens are.
var unsupportedInTokens = []feature{
	{"continue_final_message", isFalse},
	{"chat_template", never},
	{"chat_template_kwargs", isEmpty},
	{"with_pieces", isFalse},
}

// tokenize gives the tokens of a text or a conversation.
//
//	@Summary		Text to tokens
//	@Description	vLLM's endpoint: the token ids of a prompt, or of messages as the model's chat template writes them; a picture is as many of its token as a chat would have. No weights are loaded for it. Without model it is the default model's tokenizer, or that which all models have in common.
//	@Tags			tokens
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			model	query		string			false	"whose tokens, where the body doesn't say"
//	@Param			request	body		TokenizeRequest	true	"the text"
//	@Success		200		{object}	Tokens
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it. It is model where none is named and the models differ"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Router			/tokenize [post]
//	@Router			/v1/tokenize [post]
func (g *Gateway) tokenize(c *gin.Context) error {
	var body TokenizeRequest
	if err := g.readGeneration(c, &body, unsupportedInTokens); err != nil {
		return err
	}
	if (body.Prompt == nil) == (body.Messages == nil) {
		return fault.Bad("prompt", "a request has a prompt or messages, and not both")
	}
	w, err := g.words(c, body.Model)
	if err != nil {
		return err
	}
	var ids []int32
	if body.Prompt != nil {
		if len(*body.Prompt) > g.limits.BodyBytes {
			return bodyTooLarge(g.limits.BodyBytes)
		}
		if orTrue(body.AddSpecialTokens) {
			ids = beginning(w.Tokenizer)
		}
		ids = append(ids, w.Tokenizer.Encode(*body.Prompt, orTrue(body.ParseSpecial))...)
	} else if ids, err = g.tokenizeChat(c, w, body); err != nil {
		return err
	}
	reply := Tokens{Count: len(ids), MaxModelLen: g.engine.Context(w.Config), Tokens: append([]int32{}, ids...)}
	if body.ReturnTokenStrs {
		reply.TokenStrs = make([]string, len(ids))
		for i, id := range ids {
			reply.TokenStrs[i] = w.Tokenizer.Token(id)
		}
	}
	return ok(c, reply)
}

// tokenizeChat gives a conversation in the tokens that the model would see.
func (g *Gateway) tokenizeChat(ctx context.Context, w catalog.Words, body TokenizeRequest) ([]int32, error) {
	if body.AddSpecialTokens != nil && *body.AddSpecialTokens {
		return nil, fault.Bad("add_special_tokens", "add_special_tokens is for a prompt: the chat template writes those of messages")
	}
	if body.ParseSpecial != nil && *body.ParseSpecial {
		return nil, fault.Bad("parse_special", "parse_special is for a prompt: what messages say is always text")
	}
	said, err := g.conversation(body.Messages, body.Tools)
	if err != nil {
		return nil, err
	}
	return g.encodeConversation(ctx, w, template(w, body.AddGenerationPrompt), said)
}

// dialogue is what a chat would be made of, in the template's terms.
type dialogue struct {
	messages []chat.Message
	tools    []chat.Tool
	shown    []shownPicture
}

// conversation checks what a chat would be made of.
func (g *Gateway) conversation(messages []ChatMessage, tools []Tool) (dialogue, error) {
	var s dialogue
	var err error
	if s.messages, s.shown, err = g.chatMessages(messages); err != nil {
		return s, err
	}
	use, err := ChatRequest{Tools: tools}.toolUse(g.limits)
	if err == nil && use != nil {
		s.tools = use.offered
	}
	return s, err
}

// encodeConversation gives a conversation in the tokens that the model would see,
// those of pictures included.
func (g *Gateway) encodeConversation(ctx context.Context, w catalog.Words, t *chat.Template, s dialogue) ([]int32, error) {
	e := g.eyesOfWords(w)
	if err := blind(e, s.shown); err != nil {
		return nil, err
	}
	ids, err := t.Encode(s.messages, s.tools...)
	if err != nil {
		return nil, asParamFault(err, "messages")
	}
	read, err := g.show(ctx, e, ids, s.shown)
	if err != nil {
		return nil, err
	}
	return read.ids[0], nil
}

// detokenize gives the text of tokens.
//
//	@Summary		Tokens to text
//	@Description	vLLM's endpoint, the inverse of /tokenize. No weights are loaded for it.
//	@Tags			tokens
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			model	query		string				false	"whose tokens, where the body doesn't say"
//	@Param			request	body		DetokenizeRequest	true	"the tokens"
//	@Success		200		{object}	Detokenized
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it. It is model where none is named and the models differ"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Router			/detokenize [post]
//	@Router			/v1/detokenize [post]
func (g *Gateway) detokenize(c *gin.Context) error {
	var body DetokenizeRequest
	if err := g.readGeneration(c, &body, nil); err != nil {
		return err
	}
	if body.Tokens == nil {
		return fault.Bad("tokens", "tokens is missing")
	}
	w, err := g.words(c, body.Model)
	if err != nil {
		return err
	}
	ids := make([]int32, len(body.Tokens))
	for i, id := range body.Tokens {
		if id == nil || *id < 0 || *id >= int64(w.Config.VocabSize) {
			return fault.Bad(fmt.Sprintf("tokens[%d]", i), "tokens[%d] is no token id: the model's are 0 to %d", i, w.Config.VocabSize-1)
		}
		ids[i] = int32(*id)
	}
	return ok(c, Detokenized{Prompt: w.Tokenizer.Decode(ids, false)})
}

// getTokenizerInfo describes a tokenizer.
//
//	@Summary		Describe a tokenizer
//	@Description	vLLM's endpoint, which lm-evaluation-harness asks before it sends tokens. No weights are loaded for it.
//	@Tags			tokens
//	@Security		BearerAuth
//	@Produce		json
//	@Param			model	query		string	false	"whose tokenizer; the default model's if absent, else that which all models have in common"
//	@Success		200		{object}	TokenizerInfo
//	@Failure		400		{object}	ErrorReply	"no model is named, and the models differ"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Router			/tokenizer_info [get]
//	@Router			/v1/tokenizer_info [get]
func (g *Gateway) getTokenizerInfo(c *gin.Context) error {
	w, err := g.words(c, "")
	if err != nil {
		return err
	}
	info := TokenizerInfo{Model: w.Entry.ID, VocabSize: w.Config.VocabSize, MaxModelLen: g.engine.Context(w.Config)}
	for _, special := range []struct {
		find func() (int32, bool)
		name **string
		id   **int32
	}{
		{w.Tokenizer.BOS, &info.BOSToken, &info.BOSTokenID},
		{w.Tokenizer.EOS, &info.EOSToken, &info.EOSTokenID},
		{w.Tokenizer.Pad, &info.PadToken, &info.PadTokenID},
	} {
		if id, has := special.find(); has {
			name := w.Tokenizer.Token(id)
			*special.name, *special.id = &name, &id
		}
	}
	if source := w.Template.Source(); source != "" {
		info.ChatTemplate = &source
	}
	return ok(c, info)
}

// applyTemplate writes a conversation as the model would see it.
//
//	@Summary		Write a conversation as the model sees it
//	@Description	llama.cpp's endpoint: messages as the model's chat template writes them, with one token for each picture; count has all of them. No weights are loaded for it.
//	@Tags			tokens
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			model	query		string					false	"whose template, where the body doesn't say"
//	@Param			request	body		ApplyTemplateRequest	true	"the conversation"
//	@Success		200		{object}	AppliedTemplate
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it. It is model where none is named and the models differ"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Router			/apply-template [post]
//	@Router			/v1/apply-template [post]
func (g *Gateway) applyTemplate(c *gin.Context) error {
	var body ApplyTemplateRequest
	if err := g.readGeneration(c, &body, unsupportedInTokens); err != nil {
		return err
	}
	said, err := g.conversation(body.Messages, body.Tools)
	if err != nil {
		return err
	}
	w, err := g.words(c, body.Model)
	if err != nil {
		return err
	}
	t := template(w, body.AddGenerationPrompt)
	ids, err := g.encodeConversation(c, w, t, said)
	if err != nil {
		return err
	}
	text, err := t.Render(said.messages, said.tools...)
	if err != nil {
		return asParamFault(err, "messages")
	}
	return ok(c, AppliedTemplate{Prompt: text, Count: len(ids)})
}

// words finds out whose words a request is about: those of the model that its
// body names, or its query; of the default model; or those that all models have
// in common, for lm-evaluation-harness names none.
func (g *Gateway) words(c *gin.Context, model string) (catalog.Words, error) {
	for _, name := range []string{c.Query("model"), g.defaultModel} {
		if model == "" {
			model = name
		}
	}
	if model == "" {
		w, err := g.catalog.CommonWords(c.Request.Context())
		if code := fault.CodeOf(err); code == fault.Conflict || code == fault.NotFound {
			return w, fault.Bad("model", "model is missing, and there is no telling which one is meant: %s. Name one, in the body or as ?model=, or start the server with --default-model", err.Error())
		}
		return w, err
	}
	if err := g.checkModelName(model); err != nil {
		return catalog.Words{}, err
	}
	c.Set(modelKey, model)
	w, err := g.catalog.Words(c.Request.Context(), model)
	if err != nil {
		return catalog.Words{}, asModelFault(err, model)
	}
	return w, nil
}

// template is a model's, for conversations that are to go on or, if generation
// is given as false, for what has been said.
func template(w catalog.Words, generation *bool) *chat.Template {
	if orTrue(generation) {
		return w.Template
	}
	return w.Template.Finished()
}

// beginning is what a text begins with, before its own tokens.
func beginning(t *tokenizer.Tokenizer) []int32 {
	if bos, ok := t.BOS(); ok {
		return []int32{bos}
	}
	return nil
}

// orTrue is a field that is true unless it is given as false.
func orTrue(field *bool) bool { return field == nil || *field }
