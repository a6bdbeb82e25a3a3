package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// defaultCompletionTokens is OpenAI's default of max_tokens here.
const defaultCompletionTokens = 16

// createCompletion continues text.
//
//	@Summary		Continue a text
//	@Description	OpenAI's text completions. A prompt of text gets the model's beginning-of-text token, a prompt of token ids is taken as it is. Choices come prompt by prompt, n for each. With "echo": true the prompt goes before each reply and, with logprobs, its tokens before the reply's; "max_tokens": 0 then scores the prompt and generates nothing.
//	@Tags			chat
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json,text/event-stream
//	@Param			request	body		CompletionRequest	true	"the text"
//	@Success		200		{object}	Completion
//	@Failure		400		{object}	ErrorReply	"a field is wrong or not supported; param names it"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Failure		429		{object}	ErrorReply	"the queue is full; Retry-After says when to try again"
//	@Failure		503		{object}	ErrorReply	"not ready, or out of memory; Retry-After says when to try again"
//	@Router			/v1/completions [post]
func (g *Gateway) createCompletion(c *gin.Context) error {
	var body CompletionRequest
	if err := g.readGeneration(c, &body, unsupportedInCompletions); err != nil {
		return err
	}
	j, form, err := g.completionJob(body)
	if err != nil {
		return err
	}
	label, err := g.settleModel(c, &j, body.RecipeField)
	if err != nil {
		return err
	}
	reply := Completion{ID: "cmpl-" + rand.Text(), Object: "text_completion", Created: time.Now().Unix(), Model: label}
	if body.Stream {
		if body.wantsUsage() {
			reply.Usage = json.RawMessage("null") // until the last chunk
		}
		return g.streamJob(c, j, &completionWriter{chunk: reply, form: form})
	}
	all, err := g.collect(c.Request.Context(), j)
	if err != nil {
		return err
	}
	reply.SystemFingerprint = all.fingerprint
	choices := newCompletionChoices(form, all.tokenizer, all.prompts, j.keep)
	for i, r := range all.results {
		reply.Choices = append(reply.Choices, choices.add(i, infer.Chunk{
			Text: r.Text, FinishReason: r.FinishReason, Logprobs: r.Logprobs, PromptLogprobs: r.PromptLogprobs,
		}))
	}
	if reply.Usage, err = json.Marshal(all.usage); err != nil {
		return err
	}
	c.PureJSON(http.StatusOK, reply)
	return nil
}

// completionJob checks a request and says what the engine has to do for it, and
// how its choices are shown.
func (g *Gateway) completionJob(body CompletionRequest) (job, completionForm, error) {
	form := completionForm{echo: body.Echo, logprobs: body.Logprobs != nil}
	if err := g.checkModel(body.Model, body.RecipeField); err != nil {
		return job{}, form, err
	}
	var err error
	if form.prompts, err = readPrompts(body.Prompt, "prompt"); err != nil {
		return job{}, form, err
	}
	if len(form.prompts) == 0 || len(form.prompts) > g.limits.Prompts {
		return job{}, form, fault.Bad("prompt", "%d prompts: there must be 1 to %d", len(form.prompts), g.limits.Prompts)
	}
	request, n, err := body.request(g.limits)
	if err != nil {
		return job{}, form, err
	}
	best, err := body.bestOf(n, g.limits)
	if err != nil {
		return job{}, form, err
	}
	if len(form.prompts)*best > g.limits.Choices {
		param := "n"
		if best > n {
			param = "best_of"
		}
		return job{}, form, fault.Bad(param, "%d prompts with %d choices each: at most %d choices in all", len(form.prompts), best, g.limits.Choices)
	}
	constraint, err := body.spec()
	if err != nil {
		return job{}, form, err
	}
	beams, err := body.beams(best, n, constraint != nil)
	if err != nil {
		return job{}, form, err
	}
	if beams != nil && (form.logprobs || body.Echo) {
		return job{}, form, fault.Bad("use_beam_search", "a beam search gives neither logprobs nor an echo")
	}
	request.Sampling.Logprobs = form.logprobs || best > n
	return job{
		model: body.Model, param: "prompt", request: request, n: best, keep: n, beams: beams, constraint: constraint,
		encode: func(_ context.Context, m *infer.Model, _ eyes) (prompts, error) {
			ids, err := g.encodePrompts(m, form.prompts, "prompt")
			return prompts{ids: ids}, err
		},
	}, form, nil
}

// request says what each choice asks of the engine, and how many are shown.
func (r CompletionRequest) request(l Limits) (infer.Request, int, error) {
	sampling, n, err := r.sampling(l)
	if err != nil {
		return infer.Request{}, 0, err
	}
	least := 1
	if r.Echo { // then a reply without a reply shows the prompt's log probabilities
		least = 0
	}
	if err := maxTokens("max_tokens", r.MaxTokens, least, l); err != nil {
		return infer.Request{}, 0, err
	}
	sampling.MaxTokens = defaultCompletionTokens
	if r.MaxTokens != nil {
		sampling.MaxTokens = *r.MaxTokens
	}
	if r.Logprobs != nil {
		sampling.TopLogprobs = *r.Logprobs
	}
	if err := topLogprobs("logprobs", sampling.TopLogprobs, l); err != nil {
		return infer.Request{}, 0, err
	}
	return infer.Request{
		Sampling:       sampling,
		PromptLogprobs: r.Echo && r.Logprobs != nil,
		NoReply:        sampling.MaxTokens == 0,
		Continues:      true,
	}, n, nil
}
