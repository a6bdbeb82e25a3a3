package task

import (
	"slices"
	"strings"

	"github.com/pemistahl/lingua-go"

	"github.com/mergeway/mergeway/fault"
)

// languages are those a task may ask for, by ISO 639-1 code.
var languages = map[string]lingua.Language{
	"de": lingua.German,
	"en": lingua.English,
	"es": lingua.Spanish,
	"fr": lingua.French,
	"it": lingua.Italian,
	"ja": lingua.Japanese,
	"ko": lingua.Korean,
	"nl": lingua.Dutch,
	"pt": lingua.Portuguese,
	"zh": lingua.Chinese,
}

// ownScript are the languages that their letters tell apart. For them English
// stands for everything in Latin letters, so that no language model need ever
// be loaded.
var ownScript = []string{"ja", "ko", "zh"}

// passMark is the probability that a reply must exceed: the paper's rule.
const passMark = 0.5

// Gate says which replies have to be in the task's language.
type Gate string

// The gates.
const (
	// GateAlways is for all replies.
	GateAlways Gate = "always"
	// GateAnswers is for replies to problems whose answer is in that language. Others
	// can't be told by a right reply: a name, a number, a word of kanji alone, which
	// might be Chinese. The paper's evaluation of questions about pictures does so.
	GateAnswers Gate = "answers"
)

// gate decides whether a reply is in one language.
type gate struct {
	language lingua.Language
	detector lingua.LanguageDetector
}

// newGate makes the gate of a language. Models are loaded at the first reply
// that needs them. A language with a script of its own is told by its letters,
// so that the detector's small models will do; those that share the Latin script
// need the large ones, for a reply is often one short sentence.
func newGate(code string) (*gate, error) {
	language, ok := languages[code]
	if !ok {
		codes := make([]string, 0, len(languages))
		for c := range languages {
			codes = append(codes, c)
		}
		slices.Sort(codes)
		return nil, fault.Bad("language", "unknown language %q: it is one of %s", code, strings.Join(codes, ", "))
	}
	rivals := make([]lingua.Language, 0, len(languages))
	for c, l := range languages {
		if c == "en" || slices.Contains(ownScript, c) || !slices.Contains(ownScript, code) {
			rivals = append(rivals, l)
		}
	}
	slices.Sort(rivals)
	builder := lingua.NewLanguageDetectorBuilder().FromLanguages(rivals...)
	if slices.Contains(ownScript, code) {
		builder = builder.WithLowAccuracyMode()
	}
	return &gate{language: language, detector: builder.Build()}, nil
}

// passes reports whether the reply is in the gate's language with more than
// even probability. Newlines are removed first, as in the paper. A reply
// without letters is in no language.
func (g *gate) passes(reply string) bool {
	reply = newlines.Replace(reply)
	return g.detector.ComputeLanguageConfidence(reply, g.language) > passMark
}

var newlines = strings.NewReplacer("\r\n", "", "\n", "", "\r", "")
