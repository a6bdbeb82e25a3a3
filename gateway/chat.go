package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
)

// createChat answers a conversation with the assistant's next turn.
//
//	@Summary		Answer a conversation
//	@Description	OpenAI's chat completions. With "stream": true the reply is a stream of events: chunks whose delta adds to the message, then data: [DONE]. With "logprobs": true each chunk has the log probabilities of its own tokens, and may have no text: that of half a character. An error after the first byte is an event {"error": ...}, and no [DONE] follows. Calls of tools stream as deltas: id and name first, then arguments piece by piece; those that turn out to be no JSON have been sent by then, whereas a reply in one piece has them as text. Models that see (input_modalities of GET /v1/models) read pictures, as data URIs or from the addresses that the server may fetch from; "detail": "low" gives them the whole picture alone, in fewer tokens, where the model would also look at parts of it.
//	@Tags			chat
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json,text/event-stream
//	@Param			request	body		ChatRequest	true	"the conversation"
//	@Success		200		{object}	ChatCompletion
//	@Failure		400		{object}	ErrorReply	"a field is wrong or not supported; param names it"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Failure		429		{object}	ErrorReply	"the queue is full; Retry-After says when to try again"
//	@Failure		503		{object}	ErrorReply	"not ready, or out of memory; Retry-After says when to try again"
//	@Router			/v1/chat/completions [post]
func (g *Gateway) createChat(c *gin.Context) error {
	var body ChatRequest
	if err := g.readGeneration(c, &body, unsupportedInChat); err != nil {
		return err
	}
	j, err := g.chatJob(body)
	if err != nil {
		return err
	}
	label, err := g.settleModel(c, &j, body.RecipeField)
	if err != nil {
		return err
	}
	head := replyHead{id: "chatcmpl-" + rand.Text(), created: time.Now().Unix(), model: label}
	if body.Stream {
		return g.streamChat(c, j, head, body)
	}
	return g.wholeChat(c, j, head, body.Logprobs)
}

// replyHead is what all chunks of a reply share.
type replyHead struct {
	id, model string
	created   int64
}

// chatJob checks a chat request and says what the engine has to do for it.
func (g *Gateway) chatJob(body ChatRequest) (job, error) {
	if err := g.checkModel(body.Model, body.RecipeField); err != nil {
		return job{}, err
	}
	tools, err := body.toolUse(g.limits)
	if err != nil {
		return job{}, err
	}
	messages, shown, err := g.chatMessages(body.Messages)
	if err != nil {
		return job{}, err
	}
	if err := body.checkContinued(messages); err != nil {
		return job{}, err
	}
	sampling, n, err := body.sampling(g.limits)
	if err != nil {
		return job{}, err
	}
	for _, field := range []struct {
		param string
		value *int
	}{{"max_tokens", body.MaxTokens}, {"max_completion_tokens", body.MaxCompletionTokens}} { // the newer name wins
		if err := maxTokens(field.param, field.value, 1, g.limits); err != nil {
			return job{}, err
		}
		if field.value != nil {
			sampling.MaxTokens = *field.value
		}
	}
	if body.TopLogprobs != nil {
		sampling.TopLogprobs = *body.TopLogprobs
	}
	if err := topLogprobs("top_logprobs", sampling.TopLogprobs, g.limits); err != nil {
		return job{}, err
	}
	sampling.Logprobs = body.Logprobs
	if sampling.TopLogprobs > 0 && !sampling.Logprobs {
		return job{}, fault.Bad("top_logprobs", "top_logprobs is only for requests with logprobs: true")
	}
	constraint, err := body.spec()
	if err != nil {
		return job{}, err
	}
	var told []chat.Tool
	if tools != nil {
		if err := tools.check(body.UseBeamSearch, constraint); err != nil {
			return job{}, err
		}
		told = tools.offered
	}
	beams, err := body.beams(n, n, constraint != nil)
	if err != nil {
		return job{}, err
	}
	return job{
		model: body.Model, param: "messages", n: n, keep: n, beams: beams, constraint: constraint, tools: tools,
		request: infer.Request{Sampling: sampling, Continues: body.ContinueFinalMessage},
		encode: func(ctx context.Context, m *infer.Model, e eyes) (prompts, error) {
			if err := blind(e, shown); err != nil {
				return prompts{}, err
			}
			ids, err := g.encodeChat(m, messages, body.ContinueFinalMessage, told...)
			if err != nil {
				return prompts{}, asParamFault(err, "messages")
			}
			return g.show(ctx, e, ids, shown)
		},
	}, nil
}

// chatMessages checks a conversation and gives it in the template's terms, and the
// pictures in it.
func (g *Gateway) chatMessages(in []ChatMessage) ([]chat.Message, []shownPicture, error) {
	if len(in) == 0 || len(in) > g.limits.Messages {
		return nil, nil, fault.Bad("messages", "%d messages: there must be 1 to %d", len(in), g.limits.Messages)
	}
	out := make([]chat.Message, len(in))
	var shown []shownPicture
	words := 0
	turns := toolTurns{limits: g.limits, names: map[string]string{}}
	for i, m := range in {
		at := fmt.Sprintf("messages[%d]", i)
		role := m.Role
		switch role {
		case "system", "user", "assistant", "tool":
		case "developer":
			role = "system"
		case "function":
			return nil, nil, &fault.Error{Code: unsupported, Param: at + ".role", Message: "the role function is not supported by this server: use tool"}
		default:
			return nil, nil, fault.Bad(at+".role", "%s.role is %q: it must be system, developer, user, assistant or tool", at, clip(role, 40))
		}
		if !isNull(m.FunctionCall) {
			return nil, nil, &fault.Error{Code: unsupported, Param: at + ".function_call", Message: at + ".function_call is not supported by this server: use tool_calls"}
		}
		said, err := m.read(at)
		if err != nil {
			return nil, nil, err
		}
		if words += said.words(); words > g.limits.BodyBytes {
			return nil, nil, fault.New(fault.TooLarge, "the messages say more than %d bytes, their pictures not counted", g.limits.BodyBytes)
		}
		if shown = append(shown, said.pictures...); len(shown) > g.limits.Pictures {
			part := shown[g.limits.Pictures].part
			return nil, nil, fault.Bad(part, "%s is one picture too many: a request has at most %d", part, g.limits.Pictures)
		}
		calls, err := turns.calls(m, at)
		if err != nil {
			return nil, nil, err
		}
		answered, err := turns.answers(m, at)
		if err != nil {
			return nil, nil, err
		}
		out[i] = chat.Message{Role: role, Content: said.text, Parts: said.parts, ToolCalls: calls, ToolCallID: m.ToolCallID, Name: answered}
	}
	return out, shown, nil
}

// checkModelName refuses what can't be a name before anybody looks it up.
func (g *Gateway) checkModelName(name string) error {
	switch {
	case name == "":
		return fault.Bad("model", "model is missing")
	case len(name) > g.limits.NameBytes:
		return fault.Bad("model", "model has %d bytes: at most %d", len(name), g.limits.NameBytes)
	}
	return nil
}

// asParamFault names the request's field in an error that has none: a chat
// template that raises knows nothing about requests. What it says about tools is
// about the field of that name.
func asParamFault(err error, param string) error {
	var f *fault.Error
	if fault.CodeOf(err) != fault.Invalid || errors.As(err, &f) && f.Param == "tools" {
		return err
	}
	return &fault.Error{Code: fault.Invalid, Param: param, Message: err.Error()}
}

// wholeChat answers in one piece.
func (g *Gateway) wholeChat(c *gin.Context, j job, head replyHead, logprobs bool) error {
	all, err := g.collect(c.Request.Context(), j)
	if err != nil {
		return err
	}
	reply := ChatCompletion{
		ID: head.id, Object: "chat.completion", Created: head.created, Model: head.model,
		SystemFingerprint: all.fingerprint, Usage: all.usage,
	}
	for i, r := range all.results {
		choice := ChatChoice{Index: i, Message: ReplyMessage{Role: "assistant", Content: &r.Text}, FinishReason: r.FinishReason}
		if all.calls != nil {
			choice.Message.ToolCalls = all.calls[i]
			if r.Text == "" && len(all.calls[i]) > 0 {
				choice.Message.Content = nil
			}
		}
		if logprobs {
			choice.Logprobs = chatLogprobs(all.tokenizer, r.Logprobs)
		}
		reply.Choices = append(reply.Choices, choice)
	}
	c.PureJSON(http.StatusOK, reply)
	return nil
}
