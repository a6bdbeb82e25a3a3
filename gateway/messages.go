package gateway

import (
	"crypto/rand"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// maxMessageTemperature is the bound that Anthropic's API fixes.
const maxMessageTemperature = 1

// unsupportedInMessages are the fields of Anthropic's API that change what a
// reply means and that this server does not honour.
var unsupportedInMessages = []feature{
	{"thinking", isThoughtless},
	{"mcp_servers", isEmpty},
	{"container", never},
	{"context_management", isEmpty},
}

// isThoughtless accepts {"type": "disabled"}.
func isThoughtless(v json.RawMessage) bool {
	var thinking struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(v, &thinking) == nil && thinking.Type == "disabled"
}

// createMessage answers a conversation in Anthropic's terms.
//
//	@Summary		Answer a conversation, for Anthropic's clients
//	@Description	Anthropic's messages. With "stream": true the reply is a stream of named events: message_start, for each block content_block_start, content_block_delta and content_block_stop, then message_delta with the stop reason and the usage, and message_stop; an error after the first byte is an event "error". A model that sees reads image blocks, of base64 or url, also in the results of tools; documents and thinking are refused. The header anthropic-version is not needed; the key may come as x-api-key.
//	@Tags			chat
//	@Security		BearerAuth
//	@Security		KeyAuth
//	@Accept			json
//	@Produce		json,text/event-stream
//	@Param			request	body		MessageRequest	true	"the conversation"
//	@Success		200		{object}	Message
//	@Failure		400		{object}	MessageError	"a field is wrong or not supported; the message names it"
//	@Failure		404		{object}	MessageError	"the model does not exist"
//	@Failure		429		{object}	MessageError	"the queue is full; Retry-After says when to try again"
//	@Failure		503		{object}	MessageError	"not ready, or out of memory; Retry-After says when to try again"
//	@Router			/v1/messages [post]
func (g *Gateway) createMessage(c *gin.Context) error {
	var body MessageRequest
	if err := g.readGeneration(c, &body, unsupportedInMessages); err != nil {
		return err
	}
	j, from, err := g.messageJob(body)
	if err != nil {
		return err
	}
	c.Set(modelKey, j.model)
	reply := Message{ID: "msg_" + rand.Text(), Type: "message", Role: "assistant", Model: j.model, Content: []MessageBlock{}}
	most := j.request.Sampling.MaxTokens
	if body.Stream {
		return asMessageFault(g.streamJob(c, j, &messageWriter{message: reply, most: most}), from)
	}
	all, err := g.collect(c.Request.Context(), j)
	if err != nil {
		return asMessageFault(err, from)
	}
	reply.fill(all, most)
	c.PureJSON(http.StatusOK, reply)
	return nil
}

// countMessageTokens counts the tokens of a prompt.
//
//	@Summary		Count the tokens of a conversation, for Anthropic's clients
//	@Description	What the model would read, template included, if the same were sent to /v1/messages. No weights are loaded for it.
//	@Tags			chat
//	@Security		BearerAuth
//	@Security		KeyAuth
//	@Accept			json
//	@Produce		json
//	@Param			request	body		MessagePrompt	true	"the conversation"
//	@Success		200		{object}	MessageTokenCount
//	@Failure		400		{object}	MessageError	"a field is wrong or not supported; the message names it"
//	@Failure		404		{object}	MessageError	"the model does not exist"
//	@Router			/v1/messages/count_tokens [post]
func (g *Gateway) countMessageTokens(c *gin.Context) error {
	var body MessagePrompt
	if err := g.readGeneration(c, &body, unsupportedInMessages); err != nil {
		return err
	}
	one := 1 // what a reply would have is not asked for
	j, from, err := g.messageJob(MessageRequest{MessagePrompt: body, MaxTokens: &one})
	if err != nil {
		return err
	}
	w, err := g.words(c, j.model)
	if err != nil {
		return err
	}
	read, err := j.encode(c, &infer.Model{Name: j.model, Tokenizer: w.Tokenizer, Template: w.Template}, g.eyesOfWords(w))
	if err != nil {
		return asMessageFault(err, from)
	}
	return ok(c, MessageTokenCount{InputTokens: len(read.ids[0])})
}

// messageJob checks a request and says what the engine has to do for it: what it
// has to do for the chat request that asks for the same. from names the fields that
// its messages came from.
func (g *Gateway) messageJob(body MessageRequest) (_ job, from []turnNames, _ error) {
	asked, from, err := body.chat(g.limits)
	if err != nil {
		return job{}, nil, err
	}
	j, err := g.chatJob(asked)
	return j, from, asMessageFault(err, from)
}

// chat gives the chat request that asks for the same.
func (r MessageRequest) chat(l Limits) (ChatRequest, []turnNames, error) {
	asked, from, err := r.MessagePrompt.chat(l)
	switch {
	case err != nil:
		return asked, nil, err
	case r.MaxTokens == nil:
		return asked, nil, fault.Bad("max_tokens", "max_tokens is missing")
	case r.Temperature != nil && *r.Temperature > maxMessageTemperature:
		return asked, nil, fault.Bad("temperature", "temperature is %v: it must be between 0 and %d", *r.Temperature, maxMessageTemperature)
	}
	asked.MaxTokens, asked.Temperature, asked.TopP, asked.TopK, asked.Stream = r.MaxTokens, r.Temperature, r.TopP, r.TopK, r.Stream
	if r.StopSequences != nil {
		if asked.Stop, err = json.Marshal(r.StopSequences); err != nil {
			return asked, nil, err
		}
	}
	asked.ResponseFormat, err = r.Output.chat()
	return asked, from, err
}

// chat gives the form of a reply as chat's response_format.
func (o *MessageOutputConfig) chat() (json.RawMessage, error) {
	const param = "output_config.format"
	switch {
	case o == nil || o.Format == nil:
		return nil, nil
	case o.Format.Type != "json_schema":
		return nil, fault.Bad(param+".type", "%s.type is %q: it must be json_schema", param, clip(o.Format.Type, 40))
	case isNull(o.Format.Schema):
		return nil, fault.Bad(param+".schema", "%s has no schema", param)
	}
	return json.Marshal(map[string]any{"type": "json_schema", "json_schema": map[string]any{"schema": o.Format.Schema}})
}
