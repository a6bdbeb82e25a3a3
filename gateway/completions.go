package gateway

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
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
//	@Description	OpenAI's text completions. A prompt of text gets the model's beginning-of-text token, a prompt of token ids is taken as it is. Choices come prompt by prompt, n for each.
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
	j, err := g.completionJob(body)
	if err != nil {
		return err
	}
	c.Set(modelKey, j.model)
	reply := Completion{ID: "cmpl-" + rand.Text(), Object: "text_completion", Created: time.Now().Unix(), Model: j.model}
	if body.Stream {
		if body.wantsUsage() {
			reply.Usage = json.RawMessage("null") // until the last chunk
		}
		return g.streamJob(c, j, &completionWriter{chunk: reply})
	}
	all, err := g.collect(c.Request.Context(), j)
	if err != nil {
		return err
	}
	reply.SystemFingerprint = all.fingerprint
	for i := range all.texts {
		reply.Choices = append(reply.Choices, CompletionChoice{Index: i, Text: all.texts[i], FinishReason: &all.reasons[i]})
	}
	if reply.Usage, err = json.Marshal(all.usage); err != nil {
		return err
	}
	c.PureJSON(http.StatusOK, reply)
	return nil
}

// completionJob checks a request and says what the engine has to do for it.
func (g *Gateway) completionJob(body CompletionRequest) (job, error) {
	if err := g.checkModelName(body.Model); err != nil {
		return job{}, err
	}
	prompts, err := readPrompts(body.Prompt)
	if err != nil {
		return job{}, err
	}
	if len(prompts) == 0 || len(prompts) > g.limits.Prompts {
		return job{}, fault.Bad("prompt", "%d prompts: there must be 1 to %d", len(prompts), g.limits.Prompts)
	}
	sampling, n, err := body.sampling(g.limits)
	if err != nil {
		return job{}, err
	}
	if len(prompts)*n > g.limits.Choices {
		return job{}, fault.Bad("n", "%d prompts with %d choices each: at most %d choices in all", len(prompts), n, g.limits.Choices)
	}
	if err := maxTokens("max_tokens", body.MaxTokens, 1, g.limits); err != nil {
		return job{}, err
	}
	sampling.MaxTokens = defaultCompletionTokens
	if body.MaxTokens != nil {
		sampling.MaxTokens = *body.MaxTokens
	}
	return job{
		model: body.Model, param: "prompt", sampling: sampling, n: n,
		encode: func(m *infer.Model) ([][]int32, error) { return g.encodePrompts(m, prompts) },
	}, nil
}

// prompt is text, or token ids.
type prompt struct {
	text string
	ids  []int32
}

// readPrompts reads the four forms of a prompt.
func readPrompts(raw json.RawMessage) ([]prompt, error) {
	if isNull(raw) {
		return nil, fault.Bad("prompt", "prompt is missing")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []prompt{{text: text}}, nil
	}
	if ids, ok := tokenIDs(raw); ok {
		return []prompt{{ids: ids}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fault.Bad("prompt", "prompt must be a string, a list of strings, a list of token ids or a list of lists of token ids")
	}
	prompts := make([]prompt, len(list))
	for i, entry := range list {
		if ids, ok := tokenIDs(entry); ok {
			prompts[i].ids = ids
		} else if isNull(entry) || json.Unmarshal(entry, &prompts[i].text) != nil {
			return nil, fault.Bad(fmt.Sprintf("prompt[%d]", i), "prompt[%d] is neither a string nor a list of token ids", i)
		}
	}
	return prompts, nil
}

// tokenIDs reads a list of at least one token id.
func tokenIDs(raw json.RawMessage) ([]int32, bool) {
	var list []*int32 // pointers, so that null is seen and refused
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, false
	}
	ids := make([]int32, len(list))
	for i, id := range list {
		if id == nil {
			return nil, false
		}
		ids[i] = *id
	}
	return ids, true
}

// encodePrompts gives each prompt in the model's tokens. Ids are believed only
// as far as the vocabulary reaches.
func (g *Gateway) encodePrompts(m *infer.Model, prompts []prompt) ([][]int32, error) {
	out := make([][]int32, len(prompts))
	for i, p := range prompts {
		ids, err := g.encodeText(m, p.text, p.ids)
		if err != nil {
			return nil, asParamFault(err, "prompt")
		}
		out[i] = ids
	}
	return out, nil
}

// completionWriter writes text_completion events.
type completionWriter struct {
	chunk Completion // what all chunks share
}

func (w *completionWriter) begin(_ *eventStream, gen *generation) error {
	w.chunk.SystemFingerprint = gen.fingerprint()
	return nil
}

func (w *completionWriter) piece(s *eventStream, p piece) error {
	choice := CompletionChoice{Index: p.index, Text: p.Text}
	if p.FinishReason != "" {
		choice.FinishReason = &p.FinishReason
	} else if p.Text == "" {
		return nil
	}
	chunk := w.chunk
	chunk.Choices = []CompletionChoice{choice}
	return s.data(chunk)
}

func (w *completionWriter) end(s *eventStream, gen *generation) error {
	if w.chunk.Usage == nil {
		return nil
	}
	chunk := w.chunk
	chunk.Choices = []CompletionChoice{}
	var err error
	if chunk.Usage, err = json.Marshal(gen.usage()); err != nil {
		return err
	}
	return s.data(chunk)
}
