package gateway

import (
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/merge"
)

// Limits holds every bound of the gateway as a number. Start from
// [DefaultLimits]; [Limits.Settings] names each with the key that sets it.
type Limits struct {
	BodyBytes      int           // largest request body
	NameBytes      int           // longest name of a model, alias or recipe
	RecipeBytes    int           // longest recipe, as a body or within one; the merge room's bounds are 1 MiB, and 64 KiB in YAML
	RecipeLayers   int           // blocks that a recipe stacks, and hops of a path; the merge room's bound is 1024
	RecipeInputs   int           // recipes within one recipe, at any depth; the merge room's bound is 64
	RecipeDepth    int           // how deep recipes may be within one another; the merge room's bound is 8
	Messages       int           // messages of one chat
	Pictures       int           // pictures of one request
	PictureBytes   int           // one picture, as a file
	PicturePixels  int           // width times height of one picture
	PictureSide    int           // the longer side of one picture
	PictureRatio   int           // the longer side of one picture over the shorter
	PictureScans   int           // passes over one progressive JPEG
	PictureMoves   int           // redirects that are followed to a picture
	PictureHeaders int           // bytes of the headers of a picture's server
	PictureURL     int           // bytes of the address of a picture
	PictureBodies  int           // largest body of a request that may have pictures
	PictureMemory  int           // what the pictures of all requests take together, in bytes
	PictureDecodes int           // pictures being decoded at once
	KeptPictures   int           // bytes of the pictures in one stored response
	Tools          int           // tools of one chat
	ToolBytes      int           // description and parameters of one tool
	ToolDepth      int           // nesting of a tool's parameters, and of a call's arguments
	ToolCalls      int           // calls of one turn, and of one reply
	Prompts        int           // prompts of one completions request
	Choices        int           // replies to one request: n, and prompts × n
	MaxTokens      int           // largest max_tokens
	Stops          int           // stop strings of one request
	StopBytes      int           // longest stop string
	StopTokens     int           // stop token ids of one request
	LogitBias      int           // tokens with a bias in one request
	Logprobs       int           // alternatives to each token; OpenAI's and the engine's bound is 20
	EmbedInputs    int           // texts of one embeddings request
	EmbedTokens    int           // tokens of one embeddings request, over all its texts
	EmbedValues    int           // numbers in one reply with embeddings
	ReplyLogprobs  int           // log probabilities that one whole reply may hold, alternatives included
	PageSize       int           // entries of one page of a list
	Keys           int           // API keys, those of the configuration included
	KeySearches    int           // searches of one key that have not ended
	KeyTrials      int           // trials of one key's searches in a day
	Exports        int           // models being exported at once
	KeptExports    int           // exports that have ended and can still be asked about
	Evaluations    int           // evaluations at once
	QueuedEvals    int           // evaluations that wait
	KeptEvals      int           // evaluations that are kept; the oldest that have ended go first
	EvalReplies    int           // bytes of replies that are kept of one evaluation
	TaskBytes      int           // one uploaded task
	Tasks          int           // uploaded tasks
	InFlight       int           // generation requests at once, and as many tokenizer requests
	Watchers       int           // clients following searches at once
	SendBuffer     int           // bytes that the kernel keeps for a client that reads too slowly
	Responses      int           // responses that are kept; the oldest go first
	ResponseTTL    time.Duration // how long a response is kept
	References     int           // stored responses whose items one request may refer to
	RequestTimeout time.Duration // any request that generates nothing
	GenerateTime   time.Duration // one generation, loading its model included
	BodyTimeout    time.Duration // reading one request's body
	HeaderTimeout  time.Duration // reading one request's header
	WriteTimeout   time.Duration // one write to a client that reads too slowly
	IdleTimeout    time.Duration // a connection between two requests
	PictureTime    time.Duration // to fetch one picture from its address
	PictureStall   time.Duration // that a picture's server may say nothing
	KeepAlive      time.Duration // silence on a stream before a comment is sent
}

// DefaultLimits are right for one machine that serves its own users.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes:      4 << 20,
		NameBytes:      256,
		RecipeBytes:    256 << 10,
		RecipeLayers:   merge.MaxLayers,
		RecipeInputs:   merge.MaxInputs,
		RecipeDepth:    merge.MaxDepth,
		Messages:       2048,
		Pictures:       16,
		PictureBytes:   20 << 20,
		PicturePixels:  32 << 20,
		PictureSide:    16384,
		PictureRatio:   200,
		PictureScans:   64,
		PictureMoves:   3,
		PictureHeaders: 64 << 10,
		PictureURL:     8 << 10,
		PictureBodies:  64 << 20,
		PictureMemory:  1 << 30,
		PictureDecodes: 2,
		KeptPictures:   4 << 20,
		Tools:          128,
		ToolBytes:      64 << 10,
		ToolDepth:      64,
		ToolCalls:      32,
		Prompts:        256,
		Choices:        256,
		MaxTokens:      1 << 20,
		Stops:          16,
		StopBytes:      1024,
		StopTokens:     256,
		LogitBias:      1024,
		Logprobs:       infer.MaxTopLogprobs,
		EmbedInputs:    2048,
		EmbedTokens:    300_000,
		EmbedValues:    1 << 22,
		ReplyLogprobs:  1 << 20,
		PageSize:       1000,
		Keys:           1000,
		KeySearches:    16,
		KeyTrials:      100_000,
		Exports:        1,
		KeptExports:    100,
		Evaluations:    1,
		QueuedEvals:    16,
		KeptEvals:      1000,
		EvalReplies:    16 << 20,
		TaskBytes:      16 << 20,
		Tasks:          100,
		InFlight:       256,
		Watchers:       64,
		SendBuffer:     256 << 10,
		Responses:      10_000,
		ResponseTTL:    30 * 24 * time.Hour,
		References:     256,
		RequestTimeout: 30 * time.Second,
		GenerateTime:   10 * time.Minute,
		BodyTimeout:    30 * time.Second,
		HeaderTimeout:  10 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		PictureTime:    10 * time.Second,
		PictureStall:   3 * time.Second,
		KeepAlive:      5 * time.Second,
	}
}

// Setting is one limit as configuration sees it. Exactly one of Number and
// Duration points at the field.
type Setting struct {
	Key      string // as a flag: --max-body-bytes; in the environment: MERGEWAY_MAX_BODY_BYTES
	Help     string
	Number   *int
	Duration *time.Duration
}

// Settings lists the limits with their keys, pointing into l.
func (l *Limits) Settings() []Setting {
	return []Setting{
		{Key: "max-body-bytes", Number: &l.BodyBytes, Help: "largest request body"},
		{Key: "max-name-bytes", Number: &l.NameBytes, Help: "longest name of a model, alias or recipe"},
		{Key: "max-recipe-bytes", Number: &l.RecipeBytes, Help: "longest recipe, up to 1 MiB, and 64 KiB in YAML"},
		{Key: "max-recipe-layers", Number: &l.RecipeLayers, Help: "blocks of a model that a recipe stacks of slices, and hops of a path, up to 1024"},
		{Key: "max-recipe-inputs", Number: &l.RecipeInputs, Help: "recipes within one recipe, up to 64"},
		{Key: "max-recipe-depth", Number: &l.RecipeDepth, Help: "how deep recipes may be within one another, up to 8"},
		{Key: "max-messages", Number: &l.Messages, Help: "messages of one chat"},
		{Key: "max-pictures", Number: &l.Pictures, Help: "pictures of one request"},
		{Key: "max-picture-bytes", Number: &l.PictureBytes, Help: "largest file of a picture"},
		{Key: "max-picture-pixels", Number: &l.PicturePixels, Help: "width times height of a picture; decoding takes 16 bytes for each"},
		{Key: "max-picture-side", Number: &l.PictureSide, Help: "longer side of a picture, in pixels"},
		{Key: "max-picture-ratio", Number: &l.PictureRatio, Help: "how many times as long one side of a picture may be as the other"},
		{Key: "max-picture-scans", Number: &l.PictureScans, Help: "passes over a progressive JPEG, each of which may take long to decode in few bytes"},
		{Key: "max-picture-redirects", Number: &l.PictureMoves, Help: "redirects that are followed to a picture, each to one of --picture-hosts"},
		{Key: "max-picture-header-bytes", Number: &l.PictureHeaders, Help: "largest headers of a picture's server"},
		{Key: "max-picture-url-bytes", Number: &l.PictureURL, Help: "longest address of a picture that is fetched"},
		{Key: "max-picture-body-bytes", Number: &l.PictureBodies, Help: "largest body of a request that may have pictures in it"},
		{Key: "max-picture-memory", Number: &l.PictureMemory, Help: "bytes that the pictures of all requests may take together; more get 429"},
		{Key: "max-picture-decodes", Number: &l.PictureDecodes, Help: "pictures being decoded at once; more wait"},
		{Key: "max-kept-picture-bytes", Number: &l.KeptPictures, Help: "bytes of the pictures, in base64, that a stored response may hold; with more it can't be stored"},
		{Key: "max-tools", Number: &l.Tools, Help: "tools of one chat"},
		{Key: "max-tool-bytes", Number: &l.ToolBytes, Help: "description and parameters of one tool, up to 65536"},
		{Key: "max-tool-depth", Number: &l.ToolDepth, Help: "nesting of a tool's parameters and of a call's arguments, up to 64"},
		{Key: "max-tool-calls", Number: &l.ToolCalls, Help: "tool calls of one turn, and of one reply"},
		{Key: "max-prompts", Number: &l.Prompts, Help: "prompts of one completions request"},
		{Key: "max-choices", Number: &l.Choices, Help: "replies to one request"},
		{Key: "max-max-tokens", Number: &l.MaxTokens, Help: "largest max_tokens a request may ask for"},
		{Key: "max-stops", Number: &l.Stops, Help: "stop strings of one request"},
		{Key: "max-stop-bytes", Number: &l.StopBytes, Help: "longest stop string"},
		{Key: "max-stop-token-ids", Number: &l.StopTokens, Help: "stop token ids of one request, up to 256"},
		{Key: "max-logit-bias", Number: &l.LogitBias, Help: "tokens with a bias in one request, up to 1024"},
		{Key: "max-logprobs", Number: &l.Logprobs, Help: "alternatives to each token with their log probabilities, up to 20"},
		{Key: "max-reply-logprobs", Number: &l.ReplyLogprobs, Help: "log probabilities, alternatives included, of one reply that is not streamed"},
		{Key: "max-embed-inputs", Number: &l.EmbedInputs, Help: "texts of one embeddings request"},
		{Key: "max-embed-tokens", Number: &l.EmbedTokens, Help: "tokens of one embeddings request, over all its texts"},
		{Key: "max-embed-values", Number: &l.EmbedValues, Help: "numbers in one reply with embeddings: texts times dimensions"},
		{Key: "max-page-size", Number: &l.PageSize, Help: "entries of one page of a list"},
		{Key: "max-keys", Number: &l.Keys, Help: "API keys that can be made over HTTP"},
		{Key: "max-key-searches", Number: &l.KeySearches, Help: "searches of one key that have not ended; more get 429"},
		{Key: "max-key-trials", Number: &l.KeyTrials, Help: "trials of one key's searches in 24 hours; more get 429"},
		{Key: "max-in-flight", Number: &l.InFlight, Help: "generation requests at once, and as many tokenizer requests; more get 429"},
		{Key: "max-exports", Number: &l.Exports, Help: "models being exported at once; more get 429"},
		{Key: "max-kept-exports", Number: &l.KeptExports, Help: "exports that have ended and can still be asked about"},
		{Key: "max-evaluations", Number: &l.Evaluations, Help: "evaluations at once; more wait"},
		{Key: "max-queued-evaluations", Number: &l.QueuedEvals, Help: "evaluations that wait; more get 429"},
		{Key: "max-kept-evaluations", Number: &l.KeptEvals, Help: "evaluations that are kept; the oldest that have ended go first"},
		{Key: "max-evaluation-replies", Number: &l.EvalReplies, Help: "bytes of replies that are kept of one evaluation"},
		{Key: "max-task-bytes", Number: &l.TaskBytes, Help: "largest task that can be uploaded"},
		{Key: "max-tasks", Number: &l.Tasks, Help: "tasks that can be uploaded"},
		{Key: "max-watchers", Number: &l.Watchers, Help: "clients following searches and evaluations at once; more get 429"},
		{Key: "max-send-buffer", Number: &l.SendBuffer, Help: "bytes that the kernel keeps for a client that reads too slowly; left alone it keeps megabytes"},
		{Key: "max-stored-responses", Number: &l.Responses, Help: "responses that are kept to be gone on from; the oldest go first"},
		{Key: "stored-response-ttl", Duration: &l.ResponseTTL, Help: "how long a response is kept"},
		{Key: "max-response-references", Number: &l.References, Help: "stored responses whose items one request may refer to"},
		{Key: "request-timeout", Duration: &l.RequestTimeout, Help: "time for a request that generates nothing"},
		{Key: "generate-timeout", Duration: &l.GenerateTime, Help: "time for one generation, loading its model included"},
		{Key: "body-timeout", Duration: &l.BodyTimeout, Help: "time to read a request's body"},
		{Key: "header-timeout", Duration: &l.HeaderTimeout, Help: "time to read a request's header"},
		{Key: "write-timeout", Duration: &l.WriteTimeout, Help: "time for one write to a slow client"},
		{Key: "idle-timeout", Duration: &l.IdleTimeout, Help: "time a connection may wait between requests"},
		{Key: "picture-timeout", Duration: &l.PictureTime, Help: "time to fetch one picture from its address, redirects included"},
		{Key: "picture-stall-timeout", Duration: &l.PictureStall, Help: "time that a picture's server may say nothing"},
		{Key: "keep-alive", Duration: &l.KeepAlive, Help: "silence on a stream before a comment line is sent"},
	}
}

// Check refuses limits under which nothing could be served.
func (l Limits) Check() error {
	for _, s := range l.Settings() {
		if s.Number != nil && *s.Number < 1 || s.Duration != nil && *s.Duration <= 0 {
			return fault.Bad(s.Key, "the limit %s must be above zero", s.Key)
		}
	}
	return nil
}
