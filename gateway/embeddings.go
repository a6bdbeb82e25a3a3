package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// unsupportedInEmbeddings are fields of vLLM's embeddings that would change what
// the vectors are.
var unsupportedInEmbeddings = []feature{
	{"messages", never},
	{"truncate_prompt_tokens", never},
	{"add_special_tokens", isTrue},
	{"softmax", isFalse},
}

// embeddingForm is what the vectors of a request are to look like.
type embeddingForm struct {
	inputs     []prompt
	pooling    infer.Pooling
	base64     bool
	dimensions int // 0: all
	normalize  bool
}

// createEmbeddings gives texts as vectors.
//
//	@Summary		Texts to vectors
//	@Description	OpenAI's embeddings, made of the model's hidden states after its final norm: their average over all tokens or, with "pooling": "last", those of the last token; brought to length one unless "normalize" is false. A text gets the model's beginning-of-text token, token ids are taken as they are. "dimensions" keeps the first numbers of a vector and normalises it anew.
//	@Tags			embeddings
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			request	body		EmbeddingRequest	true	"the texts"
//	@Success		200		{object}	EmbeddingList
//	@Failure		400		{object}	ErrorReply	"a field is wrong or not supported; param names it"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Failure		429		{object}	ErrorReply	"the queue is full; Retry-After says when to try again"
//	@Failure		503		{object}	ErrorReply	"not ready, or out of memory; Retry-After says when to try again"
//	@Router			/v1/embeddings [post]
func (g *Gateway) createEmbeddings(c *gin.Context) error {
	var body EmbeddingRequest
	if err := g.readGeneration(c, &body, unsupportedInEmbeddings); err != nil {
		return err
	}
	if err := g.checkModelName(body.Model); err != nil {
		return err
	}
	form, err := body.form(g.limits)
	if err != nil {
		return err
	}
	c.Set(modelKey, body.Model)
	reply, err := g.embed(c.Request.Context(), body.Model, form)
	if err != nil {
		return err
	}
	return ok(c, reply)
}

// embed gets hold of the model and makes vectors of the inputs.
func (g *Gateway) embed(ctx context.Context, model string, form embeddingForm) (reply EmbeddingList, err error) {
	answers := ""
	ctx, span := g.startGeneration(ctx, "embed", model)
	defer func() {
		endGeneration(span, answers, Usage{PromptTokens: reply.Usage.PromptTokens}, nil, err != nil)
	}()
	lease, err := g.catalog.Acquire(ctx, model)
	if err != nil {
		return reply, asModelFault(err, model)
	}
	defer lease.Release()
	answers = fingerprint(lease)
	ids, err := g.encodePrompts(lease.Model, form.inputs, "input")
	if err != nil {
		return reply, err
	}
	g.logPrompts(ctx, lease.Model, prompts{ids: ids})
	reply = EmbeddingList{Object: "list", Data: make([]Embedding, len(ids)), Model: model}
	for _, input := range ids {
		reply.Usage.PromptTokens += len(input)
	}
	reply.Usage.TotalTokens = reply.Usage.PromptTokens
	if err := form.check(lease.Model.Weights.Config().HiddenSize, reply.Usage.PromptTokens, g.limits); err != nil {
		return reply, err
	}
	vectors, err := g.engine.Embed(ctx, lease.Model, ids, form.pooling)
	if err != nil {
		return reply, asPromptFault(err, "input")
	}
	for i, v := range vectors {
		shown, err := form.show(v)
		if err != nil {
			return reply, err
		}
		reply.Data[i] = Embedding{Object: "embedding", Index: i, Embedding: shown}
	}
	chargeTokens(ctx, reply.Usage.PromptTokens)
	g.observer.Embedded(model, reply.Usage.PromptTokens)
	return reply, nil
}

// form checks what can be checked without the model.
func (r EmbeddingRequest) form(l Limits) (embeddingForm, error) {
	form := embeddingForm{pooling: infer.PoolMean, normalize: orTrue(r.Normalize)}
	var err error
	if form.inputs, err = readPrompts(r.Input, "input"); err != nil {
		return form, err
	}
	if len(form.inputs) == 0 || len(form.inputs) > l.EmbedInputs {
		return form, fault.Bad("input", "%d inputs: there must be 1 to %d", len(form.inputs), l.EmbedInputs)
	}
	for i, in := range form.inputs {
		if in.ids == nil && in.text == "" {
			return form, fault.Bad("input", "input %d of %d is empty", i+1, len(form.inputs))
		}
	}
	switch r.EncodingFormat {
	case "", "float":
	case "base64":
		form.base64 = true
	default:
		return form, fault.Bad("encoding_format", "encoding_format is %q: it can be float or base64", clip(r.EncodingFormat, 40))
	}
	switch pooling := infer.Pooling(r.Pooling); pooling {
	case "":
	case infer.PoolMean, infer.PoolLast:
		form.pooling = pooling
	case "cls":
		return form, fault.Bad("pooling", "pooling can't be cls: the first token of a decoder sees nothing but itself. It can be mean or last")
	default:
		return form, fault.Bad("pooling", "pooling is %q: it can be mean or last", clip(r.Pooling, 40))
	}
	if r.Dimensions != nil {
		if form.dimensions = *r.Dimensions; form.dimensions < 1 {
			return form, fault.Bad("dimensions", "dimensions is %d: it must be at least 1", form.dimensions)
		}
	}
	return form, nil
}

// check is for what depends on the model: the width of its vectors, and the
// tokens of all inputs.
func (f embeddingForm) check(width, tokens int, l Limits) error {
	if f.dimensions > width {
		return fault.Bad("dimensions", "dimensions is %d, and the vectors of this model have %d", f.dimensions, width)
	}
	if f.dimensions > 0 {
		width = f.dimensions
	}
	if tokens > l.EmbedTokens {
		return fault.Bad("input", "the inputs have %d tokens: at most %d in one request", tokens, l.EmbedTokens)
	}
	if len(f.inputs)*width > l.EmbedValues {
		return fault.Bad("input", "%d vectors of %d numbers: at most %d numbers in one reply", len(f.inputs), width, l.EmbedValues)
	}
	return nil
}

// show gives a vector as the request wants it, which may change it.
func (f embeddingForm) show(v []float32) (any, error) {
	if f.dimensions > 0 {
		v = v[:f.dimensions]
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil, fault.New(fault.Damaged, "the model's hidden states are not numbers: its weights are broken")
	}
	if f.normalize && sum > 0 {
		length := math.Sqrt(sum)
		for i, x := range v {
			v[i] = float32(float64(x) / length)
		}
	}
	if !f.base64 {
		return v, nil
	}
	raw, err := binary.Append(make([]byte, 0, 4*len(v)), binary.LittleEndian, v)
	if err != nil {
		return nil, fmt.Errorf("write a vector: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
