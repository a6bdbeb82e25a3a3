package toolcall

import (
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Format is how a model writes calls.
type Format struct {
	form     constrain.CallForm
	open     string // marks a call in the middle of a text
	close    string // may follow a call
	list     bool   // calls are a JSON list
	bare     bool   // a reply that begins with an object may be a call, without any mark
	next     string // goes between a call and the next one, where there is no mark
	parallel bool   // a reply may have several
}

// The formats. A call is an object with a name and arguments in each.
var (
	// hermes is that of Nous Hermes, Qwen 2.5 and Qwen 3.
	hermes = Format{
		form: constrain.CallForm{
			Marker: "<tool_call>",
			Begin:  "<tool_call>\n" + `{"name": "`, Middle: `", "arguments": `, End: "}\n</tool_call>", Between: "\n",
		},
		open: "<tool_call>", close: "</tool_call>", parallel: true,
	}
	// mistral is that of Mistral 7B v0.3, Mixtral 8x22B and Mistral Nemo.
	mistral = Format{
		form: constrain.CallForm{
			Marker: "[TOOL_CALLS]",
			Open:   "[TOOL_CALLS][", Begin: `{"name": "`, Middle: `", "arguments": `, End: "}", Between: ", ", Close: "]",
		},
		open: "[TOOL_CALLS]", list: true, parallel: true,
	}
	// llama is that of Llama 3.1 to 3.3.
	llama = Format{
		form: constrain.CallForm{Begin: `{"name": "`, Middle: `", "parameters": `, End: "}"},
		open: "<|python_tag|>", bare: true, next: ";",
	}
	// plain is for models that have none of these, and only where a call is asked
	// for: any JSON object might be an answer.
	plain = Format{
		form: constrain.CallForm{Begin: `{"name": "`, Middle: `", "arguments": `, End: "}"},
		bare: true,
	}
)

// For tells how a model writes calls: its chat template shows it.
func For(template string, tok *tokenizer.Tokenizer) Format {
	f := detect(template)
	f.form.Tokens = map[string]int32{}
	for _, mark := range []string{f.open, f.close} {
		if id, known := tok.TokenID(mark); known && tok.IsSpecial(id) {
			f.form.Tokens[mark] = id
		}
	}
	return f
}

func detect(template string) Format {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(template, w) })
	}
	switch {
	case has(mistral.open) && !has("[ARGS]"): // later Mistral models write the name before it, and no object
		return mistral
	case has(hermes.open) && !has("<function=", "<arg_key>"): // as Qwen 3 Coder's and GLM's do
		return hermes
	case has(llama.open) || has("ipython") && has(`"parameters"`):
		return llama
	}
	return plain
}

// Known tells whether the model was taught to make calls by itself, in a way that
// can be read.
func (f Format) Known() bool { return f.open != "" }

// Parallel tells whether a reply may have several calls.
func (f Format) Parallel() bool { return f.parallel }

// Form is what holds a reply to calls.
func (f Format) Form() constrain.CallForm { return f.form }

// Named are the special tokens of the format: a reader must see their names in
// the text.
func (f Format) Named() []int32 { return slices.Sorted(maps.Values(f.form.Tokens)) }
