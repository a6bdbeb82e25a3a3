package gateway

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// leastLogprob stands for all that are lower: JSON has no infinity. OpenAI's API
// and vLLM use the same number.
const leastLogprob = -9999

// topLogprobs checks the number of alternatives that a request asks for.
func topLogprobs(param string, value int, l Limits) error {
	if most := min(l.Logprobs, infer.MaxTopLogprobs); value < 0 || value > most {
		return fault.Bad(param, "%s is %d: it must be between 0 and %d", param, value, most)
	}
	return nil
}

// finite is a log probability as JSON can write it. It stays a float32: that
// of the chosen token and that of the same token among the alternatives are
// written alike, so a client may compare them.
func finite(t infer.TokenLogprob) float32 {
	if t.Logprob >= leastLogprob { // neither lower nor not a number
		return t.Logprob
	}
	return leastLogprob
}

// countLogprobs counts the log probabilities of a chunk. A few short fields of a
// request can ask for gigabytes of them.
func countLogprobs(c infer.Chunk) int {
	n := len(c.PromptLogprobs) + len(c.Logprobs)
	for _, tokens := range [][]infer.TokenLogprob{c.PromptLogprobs, c.Logprobs} {
		for _, t := range tokens {
			n += len(t.Top)
		}
	}
	return n
}

func tooManyLogprobs(l Limits) error {
	return fault.Bad("logprobs", "the reply has more than %d log probabilities: ask for fewer alternatives, tokens or choices, or for a stream", l.ReplyLogprobs)
}

// chatLogprobs gives tokens in the form of a chat. The token that ended the
// reply is no content.
func chatLogprobs(t *tokenizer.Tokenizer, tokens []infer.TokenLogprob) *ChatLogprobs {
	out := &ChatLogprobs{Content: []ChatTokenLogprob{}}
	for _, token := range tokens {
		if token.Ends {
			continue
		}
		entry := ChatTokenLogprob{ChatTopLogprob: chatToken(t, token), TopLogprobs: []ChatTopLogprob{}}
		for _, top := range token.Top {
			entry.TopLogprobs = append(entry.TopLogprobs, chatToken(t, top))
		}
		out.Content = append(out.Content, entry)
	}
	return out
}

func chatToken(t *tokenizer.Tokenizer, token infer.TokenLogprob) ChatTopLogprob {
	raw := t.TokenBytes(token.ID)
	out := ChatTopLogprob{Token: strings.ToValidUTF8(string(raw), "\uFFFD"), Logprob: finite(token), Bytes: make([]int, len(raw))}
	for i, b := range raw {
		out.Bytes[i] = int(b)
	}
	return out
}

// add appends a token that begins at an offset of the text.
func (l *CompletionLogprobs) add(t *tokenizer.Tokenizer, token infer.TokenLogprob, offset int) {
	text := completionToken(t, token.ID)
	l.Tokens = append(l.Tokens, text)
	l.TextOffset = append(l.TextOffset, offset)
	if !token.Known {
		l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, nil), append(l.TopLogprobs, nil)
		return
	}
	value := finite(token)
	top := map[string]float32{text: value}
	for _, other := range token.Top {
		name := completionToken(t, other.ID)
		if known, twice := top[name]; !twice || finite(other) > known { // several tokens may have one text
			top[name] = finite(other)
		}
	}
	l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, &value), append(l.TopLogprobs, top)
}

// completionToken writes a token as OpenAI's completions do: as its text or, if
// that is not whole characters, as its bytes.
func completionToken(t *tokenizer.Tokenizer, id int32) string {
	raw := t.TokenBytes(id)
	if utf8.Valid(raw) {
		return string(raw)
	}
	var out strings.Builder
	out.WriteString("bytes:")
	for _, b := range raw {
		fmt.Fprintf(&out, `\x%02x`, b)
	}
	return out.String()
}
