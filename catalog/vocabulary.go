package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
)

// mergedWords is what a recipe with a tokenizer of its own reads and writes text
// with, and which rows that gives its weights.
type mergedWords struct {
	vocabulary *merge.Vocabulary
	tokenizer  *tokenizer.Tokenizer
	template   *chat.Template
}

// maxMergedWords is how many of them are kept: they take some megabytes, and for
// a large vocabulary some seconds to make. Whoever uses one that is dropped goes on
// with it.
const maxMergedWords = 16

// withVocabulary gives the recipe, and those within it, with the vocabularies of
// their models, where they need that.
func (c *Catalog) withVocabulary(r merge.Recipe) (merge.Recipe, error) {
	return r.WithVocabularies(func(r merge.Recipe) (*merge.Vocabulary, error) {
		w, err := c.mergedWords(r)
		if err != nil {
			return nil, err
		}
		return w.vocabulary, nil
	})
}

// mergedWords gives the words of a recipe with a tokenizer of its own. Recipes of
// the same models and the same tokenizer share them.
func (c *Catalog) mergedWords(r merge.Recipe) (*mergedWords, error) {
	h := sha256.New()
	if err := c.hashWords(h, r); err != nil {
		return nil, err
	}
	return c.words.Get(hex.EncodeToString(h.Sum(nil)), func() (*mergedWords, error) { return c.mergeWords(r) })
}

// hashWords writes what the words of a recipe depend on.
func (c *Catalog) hashWords(h io.Writer, r merge.Recipe) error {
	stages := r.Stages()
	r = stages[len(stages)-1].Recipe // in which inputs have the names of their contents
	said, err := json.Marshal(r.Tokenizer)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "writing a tokenizer")
	}
	fmt.Fprintf(h, "%s\n%q %q\n", said, r.Base, r.Parent())
	for _, name := range r.Models() {
		if in, made := r.Inputs[name]; made {
			fmt.Fprintf(h, "%q of\n", name)
			if err := c.hashWords(h, in); err != nil {
				return err
			}
			continue
		}
		s, err := c.source(name)
		if err != nil {
			return err
		}
		config, err := s.readConfig()
		if err != nil {
			return err
		}
		digest, err := s.readWordsDigest()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %d %d %v %s\n", name, config.VocabSize, config.BOSTokenID, config.EOSTokenIDs, digest)
	}
	return nil
}

// mergeWords makes them.
func (c *Catalog) mergeWords(r merge.Recipe) (*mergedWords, error) {
	models := map[string]merge.Described{}
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if err != nil {
			return nil, err
		}
		d := merge.Described{}
		if d.Config, err = s.readConfig(); err != nil {
			return nil, err
		}
		if d.Vocabulary, err = s.readVocabulary(); err != nil {
			return nil, err
		}
		models[name] = d
	}
	vocabulary, err := merge.NewVocabulary(r, models)
	if err != nil {
		return nil, err
	}
	w := &mergedWords{vocabulary: vocabulary}
	lender, err := c.source(r.Speaker())
	if err != nil {
		return nil, err
	}
	if !vocabulary.Changed {
		w.tokenizer, w.template, err = lender.readWords()
		return w, err
	}
	data, err := vocabulary.Tokens.JSON()
	if err != nil {
		return nil, err
	}
	if w.tokenizer, err = tokenizer.LoadAs(lender.dir, data); err != nil {
		return nil, lender.damaged(err)
	}
	if w.template, err = chat.Load(lender.dir, w.tokenizer); err != nil {
		return nil, lender.damaged(err)
	}
	return w, nil
}

// readVocabulary gives the tokens that the source's tokenizer knows.
func (s *source) readVocabulary() (*tokenizer.Vocabulary, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vocabulary == nil {
		s.update()
		v, err := tokenizer.LoadVocabulary(s.dir)
		if err != nil {
			return nil, s.damaged(err)
		}
		s.vocabulary = v
	}
	return s.vocabulary, nil
}

// configs gives the configurations of a recipe's models, whose vocabularies are
// known.
func (c *Catalog) configs(r merge.Recipe) (map[string]checkpoint.Config, error) {
	configs := map[string]checkpoint.Config{}
	for _, name := range r.Models() {
		if in, made := r.Inputs[name]; made {
			inner, err := c.configs(in)
			if err != nil {
				return nil, err
			}
			configs[name] = in.Config(inner)
			continue
		}
		s, err := c.source(name)
		if err != nil {
			return nil, err
		}
		if configs[name], err = s.readConfig(); err != nil {
			return nil, err
		}
	}
	return configs, nil
}

// identify is the digest of a recipe, given those of its leaves. Where it, or a recipe
// within it, merges by token, what the leaves' tokens are is part of what they are.
func (c *Catalog) identify(r merge.Recipe, digests map[string]string) (string, error) {
	if !r.MergesTokens() {
		return r.Digest(digests)
	}
	withTokens := map[string]string{}
	for name, digest := range digests {
		if digest == "" {
			continue // it is gone
		}
		s, err := c.source(name)
		if err != nil {
			return "", err
		}
		tokens, err := s.readTokensDigest()
		if err != nil {
			return "", err
		}
		withTokens[name] = digest + " tokens " + tokens
	}
	return r.Digest(withTokens)
}
