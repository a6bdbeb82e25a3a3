package gateway

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// createResponse answers what the user says, with the conversation that it goes
// on from.
//
//	@Summary		Respond to a user
//	@Description	OpenAI's responses. The response is stored, unless "store" is false, and a later request goes on from it by previous_response_id; it takes over the conversation, but not the instructions. With "stream": true the reply is a stream of events, each with a type and a sequence_number: response.created and response.in_progress; for each item of the output response.output_item.added and .done, and between them response.content_part.added, response.output_text.delta and .done and response.content_part.done, or response.function_call_arguments.delta and .done; at last response.completed, or response.incomplete where max_output_tokens or the context ended the reply. An error after the first byte is an event error, and then response.failed. Nothing follows the last event. Models that see read input_image parts; a response that is stored holds their bytes, up to a limit.
//	@Tags			responses
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json,text/event-stream
//	@Param			request	body		ResponseRequest	true	"what the user says"
//	@Success		200		{object}	Response
//	@Failure		400		{object}	ErrorReply	"a field is wrong or not supported, or previous_response_id names no stored response; param names the field"
//	@Failure		404		{object}	ErrorReply	"the model, or an item that is referred to, does not exist"
//	@Failure		429		{object}	ErrorReply	"the queue is full; Retry-After says when to try again"
//	@Failure		503		{object}	ErrorReply	"not ready, out of memory, or the store is out of reach; Retry-After says when to try again"
//	@Router			/v1/responses [post]
func (g *Gateway) createResponse(c *gin.Context) error {
	var body ResponseRequest
	if err := g.readGeneration(c, &body, unsupportedInResponses); err != nil {
		return withOtherName(err)
	}
	x, err := g.newExchange(c.Request.Context(), body, g.guard.owner(c.Request))
	if err != nil {
		return err
	}
	c.Set(modelKey, body.Model)
	if body.Stream {
		return x.names.inResponses(g.streamResponse(c, x))
	}
	return x.names.inResponses(g.wholeResponse(c, x))
}

// exchange is one request and its response, on the way from one to the other.
type exchange struct {
	ids      *responseIDs
	owner    string
	began    time.Time
	input    responseInput
	names    responseNames
	job      job
	logprobs bool     // are told of
	reply    Response // as it is now
}

// newExchange checks a request and says what the engine has to do for it.
func (g *Gateway) newExchange(ctx context.Context, body ResponseRequest, owner string) (*exchange, error) {
	x := &exchange{ids: newResponseIDs(), owner: owner, began: time.Now()}
	request, err := body.chat()
	if err != nil {
		return nil, err
	}
	x.logprobs = request.Logprobs
	if x.input, err = g.readInput(ctx, body, x.ids, owner); err != nil {
		return nil, err
	}
	request.Messages, x.names = x.input.chat(body.Instructions)
	if len(request.Messages) > g.limits.Messages {
		return nil, fault.Bad("input", "with all that came before it input makes %d messages: at most %d", len(request.Messages), g.limits.Messages)
	}
	if x.job, err = g.chatJob(request); err != nil {
		return nil, x.names.inResponses(err)
	}
	x.reply = newResponse(body, x)
	if err := g.checkKeptPictures(x); err != nil {
		return nil, err
	}
	if x.reply.Truncation == "auto" {
		g.shorten(x, request)
	}
	return x, nil
}

// chat gives the request in the words of a chat, without its messages.
func (r ResponseRequest) chat() (ChatRequest, error) {
	request := ChatRequest{
		Model: r.Model, MaxCompletionTokens: r.MaxOutputTokens, TopLogprobs: r.TopLogprobs,
		ParallelToolCalls: r.ParallelToolCalls, SamplingFields: r.SamplingFields,
	}
	if err := checkMetadata(r.Metadata); err != nil {
		return request, err
	}
	if r.N != nil && *r.N != 1 {
		return request, fault.Bad("n", "n is %d: a response is one reply", *r.N)
	}
	if t := r.Truncation; t != nil && *t != "disabled" && *t != "auto" {
		return request, fault.Bad("truncation", "truncation is %q: it must be auto or disabled", clip(*t, 40))
	}
	var err error
	if request.Logprobs, err = wantsLogprobs(r.Include); err != nil {
		return request, err
	}
	if r.TopLogprobs != nil && *r.TopLogprobs > 0 && !request.Logprobs {
		return request, fault.Bad("top_logprobs", `top_logprobs is only for requests that include %q`, includeLogprobs)
	}
	if request.ResponseFormat, err = r.Text.responseFormat(); err != nil {
		return request, err
	}
	if request.Tools, err = responseTools(r.Tools); err != nil {
		return request, err
	}
	request.ToolChoice, err = responseToolChoice(r.ToolChoice)
	return request, err
}

// Bounds that OpenAI's API fixes.
const (
	maxMetadata      = 16
	maxMetadataKey   = 64
	maxMetadataValue = 512
)

func checkMetadata(m map[string]*string) error {
	if len(m) > maxMetadata {
		return fault.Bad("metadata", "metadata has %d keys: at most %d", len(m), maxMetadata)
	}
	for key, value := range m {
		param := "metadata." + clip(key, maxMetadataKey)
		switch {
		case key == "" || len(key) > maxMetadataKey:
			return fault.Bad("metadata", "a key of metadata has %d bytes: it must have 1 to %d", len(key), maxMetadataKey)
		case value == nil:
			return fault.Bad(param, "%s is null: it must be text", param)
		case len(*value) > maxMetadataValue:
			return fault.Bad(param, "%s has %d bytes: at most %d", param, len(*value), maxMetadataValue)
		}
	}
	return nil
}

// newResponse is the response before its output.
func newResponse(r ResponseRequest, x *exchange) Response {
	sampling := x.job.request.Sampling
	reply := Response{
		ID: x.ids.response(), Object: "response", CreatedAt: x.began.Unix(), Status: statusInProgress,
		Instructions: r.Instructions, MaxOutputTokens: r.MaxOutputTokens, Metadata: r.Metadata, Model: r.Model,
		Output: []ResponseItem{}, ParallelToolCalls: r.ParallelToolCalls == nil || *r.ParallelToolCalls,
		PreviousResponseID: r.PreviousResponseID, ServiceTier: "default", Store: r.Store == nil || *r.Store,
		Temperature: sampling.Temperature, Text: ResponseText{Format: &ResponseFormat{Type: "text"}},
		ToolChoice: r.ToolChoice, Tools: r.Tools, TopLogprobs: sampling.TopLogprobs, TopP: sampling.TopP, Truncation: "disabled",
	}
	if r.Metadata == nil {
		reply.Metadata = map[string]*string{}
	}
	if r.Text != nil && r.Text.Format != nil {
		reply.Text.Format = r.Text.Format
	}
	if isNull(r.ToolChoice) {
		reply.ToolChoice = json.RawMessage(`"auto"`)
	}
	if r.Tools == nil {
		reply.Tools = []ResponseTool{}
	}
	if r.Truncation != nil {
		reply.Truncation = *r.Truncation
	}
	return reply
}

// wholeResponse answers in one piece.
func (g *Gateway) wholeResponse(c *gin.Context, x *exchange) error {
	ctx := c.Request.Context()
	all, err := g.collect(ctx, x.job)
	if err != nil {
		return err
	}
	r := all.results[0]
	var calls []ToolCall
	if all.calls != nil {
		calls = all.calls[0]
	}
	out := responseOutput{ids: x.ids, tell: func(ResponseEvent) error { return nil }}
	if r.Text != "" || len(calls) == 0 {
		var logprobs []ChatTokenLogprob
		if x.logprobs {
			logprobs = chatLogprobs(all.tokenizer, r.Logprobs).Content
		}
		if len(calls) > 0 {
			logprobs = tokensOf(r.Text, logprobs)
		}
		if err := out.addText(r.Text, logprobs); err != nil {
			return err
		}
	}
	for i, call := range calls {
		if err := out.addCall(ToolCallDelta{Index: i, ID: call.ID, Function: FunctionCallDelta(call.Function)}); err != nil {
			return err
		}
	}
	if err := out.finish(&x.reply, r.FinishReason, all.usage); err != nil {
		return err
	}
	if err := g.keepResponse(ctx, x, x.reply); err != nil {
		return err
	}
	return ok(c, x.reply)
}
