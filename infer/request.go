package infer

import (
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Model is what a request is answered with.
type Model struct {
	Name      string
	Weights   *Weights
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template
	Vision    *Vision // what it sees pictures with; nil: it reads text alone
}

// EndTokens are the ids that end a reply of the model.
func (m *Model) EndTokens() (all []int32) {
	for _, id := range m.Weights.Config().EOSTokenIDs {
		all = append(all, int32(id))
	}
	if eos, ok := m.Tokenizer.EOS(); ok {
		all = append(all, eos)
	}
	return all
}

// Request is one prompt to be continued.
type Request struct {
	Prompt []int32 // token ids
	// Pictures are what runs of the vision part's image token stand for in the prompt,
	// each as long as its picture has places: see [PlacePictures]. Without any, that
	// token is like all others.
	Pictures   []*picture.Prepared
	Sampling   Sampling
	Background bool // a search's; users' requests go first
	// PromptLogprobs asks for the log probability of each token of the prompt, in
	// the first chunk. Nothing of the prompt is taken from saved prefixes then.
	PromptLogprobs bool
	// Continues says that the reply goes on from the prompt's text, and is not a
	// text of its own: its first word keeps the space before it.
	Continues bool
	// Named are special tokens that the reply's text has by their names; all others
	// leave no trace in it.
	Named []int32
	// NoReply ends the request when the prompt has been computed.
	NoReply bool

	pooling Pooling // the prompt's hidden states are wanted, and no reply: see Engine.Embed
}

// Chunk is a piece of a streamed reply.
type Chunk struct {
	Text         string // whole characters; may be empty
	Tokens       int    // completion tokens so far
	Cached       int    // prompt tokens whose keys and values were there already
	FinishReason string // "" until the last chunk, then "stop" or "length"
	Stop         string // the stop string that ended the reply, on the last chunk; "" if none did
	Err          error  // set on the last chunk if generation failed

	Logprobs       []TokenLogprob // of the tokens since the last chunk, if asked for
	PromptLogprobs []TokenLogprob // of the whole prompt, once, if asked for

	embedding []float32 // of the whole prompt, on the last chunk, if asked for
}

// Result is a whole reply.
type Result struct {
	Text             string
	PromptTokens     int
	CachedTokens     int // prompt tokens whose keys and values were there already
	CompletionTokens int
	FinishReason     string         // "stop" or "length"
	Stop             string         // the stop string that ended it; "" if none did
	Logprobs         []TokenLogprob // of the reply's tokens, if asked for
	PromptLogprobs   []TokenLogprob // of the prompt's tokens, if asked for
}

// Finish reasons, in OpenAI's words.
const (
	FinishStop   = "stop"
	FinishLength = "length"
)

// TokenLogprob is a token with the natural logarithm of the probability that the
// model gave it, before temperature and all else that sampling does to it.
type TokenLogprob struct {
	ID      int32
	Logprob float32
	Known   bool           // false for the first token of a prompt, which nothing precedes
	Ends    bool           // it is the token that ended the reply, and has no text
	Top     []TokenLogprob // the most probable tokens at this place, most probable first
}
