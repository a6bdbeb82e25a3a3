package constrain

import (
	"cmp"

	"github.com/mergeway/mergeway/fault"
)

// Compiler makes grammars and keeps the recent ones. It is safe for concurrent
// use.
type Compiler struct {
	limits       Limits
	vocabularies *lru[vocabularyKey, *vocabulary]
	grammars     *lru[grammarKey, *Grammar]
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
		vocabularies: newLRU[vocabularyKey, *vocabulary](limits.Vocabularies),
		grammars:     newLRU[grammarKey, *Grammar](limits.Grammars),
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
	kind, data, err := s.source(param, c.limits)
	if err != nil {
		return nil, err
	}
	vocabulary, err := c.vocabularies.get(v.key(), func() (*vocabulary, error) { return newVocabulary(param, v) })
	if err != nil {
		return nil, err
	}
	return c.grammars.get(grammarKey{vocabulary, s.Kind, s.Text}, func() (*Grammar, error) {
		return newGrammar(vocabulary, param, c.limits, kind, data)
	})
}

// source checks a spec and gives it in llguidance's terms.
func (s Spec) source(param string, l Limits) (kind, data string, err error) {
	switch s.Kind {
	case JSONObject:
		if s.Text != "" {
			return "", "", fault.Bad(param, "%s takes nothing beside", JSONObject)
		}
		return "json_schema", withOptions(`{"type":"object"}`, l), nil
	case JSONSchema:
		data, err = schemaSource(param, s.Text, l)
		return "json_schema", data, err
	case Regex:
		data, err = regexSource(param, s.Text, l)
		return "regex", data, err
	case Choice:
		data, err = choiceSource(param, s.Text, l)
		return "regex", data, err
	}
	return "", "", fault.Bad(param, "%q is no kind of constraint: %s, %s, %s or %s", s.Kind, JSONObject, JSONSchema, Regex, Choice)
}
