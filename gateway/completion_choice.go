package gateway

import (
	"unicode/utf8"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// completionForm is what the choices of a completion show beside the reply.
type completionForm struct {
	prompts  []prompt // as they were asked
	echo     bool     // the prompt goes before the reply
	logprobs bool
}

// completionChoices write the choices of one request, each in one piece or many.
type completionChoices struct {
	form      completionForm
	tokenizer *tokenizer.Tokenizer
	encoded   [][]int32 // the prompts
	perPrompt int
	begun     []bool              // of each choice
	streams   []*tokenizer.Stream // the reply's tokens as text, of each choice
	ends      []int               // characters before the next token of each choice
}

func newCompletionChoices(form completionForm, t *tokenizer.Tokenizer, encoded [][]int32, perPrompt int) *completionChoices {
	n := len(encoded) * perPrompt
	return &completionChoices{
		form: form, tokenizer: t, encoded: encoded, perPrompt: perPrompt,
		begun: make([]bool, n), streams: make([]*tokenizer.Stream, n), ends: make([]int, n),
	}
}

// add gives what a chunk adds to a choice: the echo before the first one.
func (w *completionChoices) add(index int, c infer.Chunk) CompletionChoice {
	out := CompletionChoice{Index: index, Text: c.Text}
	if c.FinishReason != "" {
		out.FinishReason = &c.FinishReason
	}
	if w.form.logprobs {
		out.Logprobs = &CompletionLogprobs{
			Tokens: []string{}, TokenLogprobs: []*float32{}, TopLogprobs: []map[string]float32{}, TextOffset: []int{},
		}
	}
	if !w.begun[index] {
		w.begun[index] = true
		if w.form.echo {
			text := w.promptText(index / w.perPrompt)
			out.Text = text + out.Text
			w.streams[index] = w.tokenizer.NewStream()
			w.place(out.Logprobs, index, c.PromptLogprobs)
			w.ends[index] = utf8.RuneCountInString(text)
		}
		w.streams[index] = w.tokenizer.NewStreamAfter(w.encoded[index/w.perPrompt])
	}
	w.place(out.Logprobs, index, c.Logprobs)
	return out
}

// place adds tokens where they begin in a choice's text. A token within a
// character begins where the character does.
func (w *completionChoices) place(out *CompletionLogprobs, index int, tokens []infer.TokenLogprob) {
	if out == nil {
		return
	}
	for _, t := range tokens {
		out.add(w.tokenizer, t, w.ends[index])
		w.ends[index] += utf8.RuneCountInString(w.streams[index].Push(t.ID))
	}
}

// promptText is a prompt as its echo shows it: text just as it came.
func (w *completionChoices) promptText(i int) string {
	if w.form.prompts[i].ids == nil {
		return w.form.prompts[i].text
	}
	return w.tokenizer.Decode(w.encoded[i], true)
}
