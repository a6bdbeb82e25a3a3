package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/infer/toolcall"
)

// job is a validated request to generate: which model, what to say to it, and
// how many choices.
type job struct {
	model      string
	param      string             // the request field that holds the prompt, for errors about it
	encode     encoder            // gives the prompts
	request    infer.Request      // what all choices ask of the engine, but for prompt and seed
	n          int                // choices for each prompt
	keep       int                // so many of them are shown: the most probable ones
	constraint *constrain.Spec    // what the replies may be; nil: anything
	beams      *infer.BeamOptions // find them by beam search; nil: pick token by token
	tools      *toolUse           // what the replies may call; nil: nothing
	whole      bool               // they are shown in one piece
}

// encoder gives the prompts of a job in a model's tokens; e is nil if the model
// sees nothing.
type encoder func(ctx context.Context, m *infer.Model, e eyes) (prompts, error)

// generation is a running job: one model held, one stream of the engine for
// each choice, all of them merged into pieces.
type generation struct {
	lease   *catalog.Lease
	pieces  <-chan piece // closed when every choice has ended
	prompts [][]int32
	n       int   // choices for each prompt
	tokens  []int // completion tokens of each choice so far
	cached  []int // prompt tokens that each choice found computed

	cancel   context.CancelFunc
	ended    sync.WaitGroup // the engine's streams
	left     func()         // called once if somebody went away before the end
	progress *progress
}

// piece is one chunk of one choice.
type piece struct {
	index int
	calls []ToolCallDelta // what it adds to the choice's calls, which are no part of its text
	infer.Chunk
}

// begin gets hold of the model, encodes the prompts and starts every choice.
// The caller must close the generation.
func (g *Gateway) begin(ctx context.Context, j job) (*generation, error) {
	if g.draining() {
		return nil, errDraining()
	}
	progress := g.newProgress(ctx, j.model)
	lease, err := g.catalog.Acquire(ctx, j.model)
	if err != nil {
		progress.fail()
		return nil, asModelFault(err, j.model)
	}
	gen, err := g.beginWith(ctx, lease, j, progress)
	if err != nil {
		progress.fail()
		lease.Release()
		return nil, asPromptFault(err, j.param)
	}
	return gen, nil
}

func (g *Gateway) beginWith(ctx context.Context, lease *catalog.Lease, j job, progress *progress) (*generation, error) {
	read, err := j.encode(ctx, lease.Model, g.eyes(lease.Model))
	if err != nil {
		return nil, err
	}
	prompts := read.ids
	g.logPrompts(ctx, lease.Model, read)
	var format toolcall.Format
	if j.tools != nil {
		format = g.callFormat(lease.Model)
	}
	constrained, err := g.constrained(lease.Model, j, format)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	choices := len(prompts) * j.n
	gen := &generation{
		lease: lease, prompts: prompts, n: j.n, tokens: make([]int, choices), cached: make([]int, choices),
		cancel: cancel, left: func() { g.abandoned.Add(1) }, progress: progress,
	}
	progress.begin(fingerprint(lease), choices)
	pieces := make(chan piece)
	gen.pieces = pieces
	for p, prompt := range prompts {
		for i := range j.n {
			request := constrained
			request.Prompt, request.Pictures, request.Sampling = prompt, read.pictures, forChoice(request.Sampling, i)
			chunks, err := g.engine.Stream(ctx, lease.Model, request)
			if err != nil {
				cancel()
				gen.ended.Wait()
				return nil, err
			}
			gen.ended.Add(1)
			go gen.forward(ctx, p*j.n+i, chunks, newCallSplitter(j.tools, format, j.whole), pieces)
		}
	}
	go func() { gen.ended.Wait(); close(pieces) }()
	return gen, nil
}

// forward moves one choice's chunks into the common channel. When nobody
// listens any more it still reads to the end: only then has the engine let go
// of the model.
func (gen *generation) forward(ctx context.Context, index int, chunks <-chan infer.Chunk, splitter *callSplitter, out chan<- piece) {
	defer gen.ended.Done()
	finished := false
	for chunk := range chunks {
		finished = finished || chunk.FinishReason != "" || chunk.Err != nil
		select {
		case out <- splitter.split(index, chunk):
		case <-ctx.Done():
		}
	}
	if !finished && ctx.Err() == nil {
		select {
		case out <- piece{index: index, Chunk: infer.Chunk{Err: fault.New(fault.Internal, "the engine ended a stream without a reason")}}:
		case <-ctx.Done():
		}
	}
}

// close stops what still runs, waits until the engine has let go, and gives the
// model back.
func (gen *generation) close(complete bool) {
	if !complete {
		gen.left()
	}
	gen.cancel()
	gen.ended.Wait()
	gen.progress.end(gen.usage(), !complete)
	gen.lease.Release()
}

// count notes how far a choice has come.
func (gen *generation) count(p piece) {
	gen.progress.note(p, p.Tokens-gen.tokens[p.index])
	gen.tokens[p.index] = max(gen.tokens[p.index], p.Tokens)
	gen.cached[p.index] = max(gen.cached[p.index], p.Cached)
}

// usage is what the whole request cost. A prompt counts once, however many
// choices it has, and the work for it is that of the choice which had the most.
func (gen *generation) usage() Usage {
	var u Usage
	for i, prompt := range gen.prompts {
		u.PromptTokens += len(prompt)
		u.PromptTokensDetails.CachedTokens += slices.Min(gen.cached[i*gen.n : (i+1)*gen.n])
	}
	for _, n := range gen.tokens {
		u.CompletionTokens += n
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}

// fingerprint names the model that really answers, whatever it was asked as.
func (gen *generation) fingerprint() string { return fingerprint(gen.lease) }

func fingerprint(lease *catalog.Lease) string {
	e := lease.Entry
	if e.Target != "" {
		return e.Target
	}
	return e.ID
}

// outcome is a job that ran to its end.
type outcome struct {
	results     []infer.Result // of each choice that is shown, prompt by prompt
	calls       [][]ToolCall   // of each of them; nil if nobody could be called
	prompts     [][]int32
	tokenizer   *tokenizer.Tokenizer // lives longer than the lease
	fingerprint string
	usage       Usage
}

// collect runs a job to its end.
func (g *Gateway) collect(ctx context.Context, j job) (outcome, error) {
	if j.beams != nil {
		return g.collectBeams(ctx, j)
	}
	j.whole = true
	gen, err := g.begin(ctx, j)
	if err != nil {
		return outcome{}, err
	}
	complete := false
	defer func() { gen.close(complete) }()
	texts := make([]strings.Builder, len(gen.tokens))
	out := outcome{
		results: make([]infer.Result, len(texts)), prompts: gen.prompts,
		tokenizer: gen.lease.Model.Tokenizer, fingerprint: gen.fingerprint(),
	}
	if j.tools != nil {
		out.calls = make([][]ToolCall, len(texts))
	}
	values := 0
	for p := range gen.pieces {
		if p.Err != nil {
			return outcome{}, asPromptFault(p.Err, j.param)
		}
		gen.count(p)
		texts[p.index].WriteString(p.Text)
		if j.tools != nil {
			out.calls[p.index] = addCalls(out.calls[p.index], p.calls)
		}
		if values += countLogprobs(p.Chunk); values > g.limits.ReplyLogprobs {
			return outcome{}, tooManyLogprobs(g.limits)
		}
		r := &out.results[p.index]
		r.Logprobs = append(r.Logprobs, p.Logprobs...)
		r.PromptLogprobs = append(r.PromptLogprobs, p.PromptLogprobs...)
		if p.FinishReason != "" {
			r.FinishReason, r.Stop = p.FinishReason, p.Stop
		}
	}
	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("generating: %w", context.Cause(ctx))
	}
	for i := range texts {
		out.results[i].Text = texts[i].String()
	}
	if j.keep < j.n {
		out.results = mostProbable(out.results, j.n, j.keep)
	}
	out.usage = gen.usage()
	complete = true
	return out, nil
}
