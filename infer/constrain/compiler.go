package constrain

import (
	"cmp"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/lru"
)

// Compiler makes grammars and keeps the recent ones. It is safe for concurrent
// use.
type Compiler struct {
	limits       Limits
	vocabularies *lru.Cache[vocabularyKey, *vocabulary]
	grammars     *lru.Cache[grammarKey, *Grammar]
}

// grammarKey is what makes two grammars the same. It holds on to a vocabulary:
// where that has been dropped and made again, so are its grammars.
type grammarKey struct {
	vocabulary *vocabulary
	kind       Kind
	text       string
}

// NewCompiler makes a compiler that keeps to limits.
func NewCompiler(limits Limits) *Compiler {
	limits = limits.orDefault()
	return &Compiler{
		limits:       limits,
		vocabularies: lru.New[vocabularyKey, *vocabulary](limits.Vocabularies),
		grammars:     lru.New[grammarKey, *Grammar](limits.Grammars),
	}
}

// Compile gives the grammar of a spec for one model: within a millisecond for
// most, and the work is bounded for all; a model's first takes some microseconds
// more for each token of its vocabulary.
//
// A spec that is wrong, over a limit, or asks for what can't be kept is
// fault.Invalid and names its field.
func (c *Compiler) Compile(v Vocabulary, s Spec) (*Grammar, error) {
	param := cmp.Or(s.Param, string(s.Kind))
	text, err := s.source(param, c.limits)
	if err != nil {
		return nil, err
	}
	vocabulary, err := c.vocabularies.Get(v.key(), func() (*vocabulary, error) { return newVocabulary(param, v) })
	if err != nil {
		return nil, err
	}
	return c.grammars.Get(grammarKey{vocabulary, s.Kind, s.Text}, func() (*Grammar, error) {
		g, err := newGrammar(vocabulary, param, c.limits, text)
		if err != nil {
			return nil, c.blame(v, s, err)
		}
		return g, nil
	})
}

// source is a grammar in llguidance's terms.
type source struct {
	kind, data string
	tokens     []int32 // special tokens that it names
	free       bool    // it begins with text in which a space more or less is nothing
}

// source checks a spec and gives it in llguidance's terms.
func (s Spec) source(param string, l Limits) (source, error) {
	kind, data := "regex", ""
	var err error
	switch s.Kind {
	case JSONObject:
		if s.Text != "" {
			return source{}, fault.Bad(param, "%s takes nothing beside", JSONObject)
		}
		kind, data = "json_schema", withOptions(`{"type":"object"}`, l)
	case JSONSchema:
		kind = "json_schema"
		data, err = schemaSource(param, s.Text, l)
	case Regex:
		data, err = regexSource(param, s.Text, l)
	case Choice:
		data, err = choiceSource(param, s.Text, l)
	case ToolCalls:
		return callsSource(param, s.Text, l)
	default:
		return source{}, fault.Bad(param, "%q is no kind of constraint: %s, %s, %s, %s or %s", s.Kind, JSONObject, JSONSchema, Regex, Choice, ToolCalls)
	}
	return source{kind: kind, data: data}, err
}
