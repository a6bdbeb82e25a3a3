package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
)

// Words is what a model reads and writes text with.
type Words struct {
	Entry     Entry // as it was asked for
	Config    checkpoint.Config
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template
	Eyes      *Eyes // nil: it sees no pictures
}

// Words gives what the model of a name reads and writes text with. The model is
// not made for it: a source's words lie in its folder, and a recipe has those of
// its origin, or by its tokenizer others that are made of its models' files.
func (c *Catalog) Words(ctx context.Context, name string) (Words, error) {
	what, err := c.resolve(ctx, name)
	if err != nil {
		return Words{}, err
	}
	w, err := c.resolvedWords(what)
	if err != nil {
		return Words{}, err
	}
	if w.Eyes, err = c.eyes(what); err != nil {
		return Words{}, err
	}
	if w.Eyes != nil {
		w.Template = w.Template.Seeing(w.Eyes.config.ImageTokenID)
	}
	return w, nil
}

// resolvedWords is Words for a name that was looked up, without eyes.
func (c *Catalog) resolvedWords(what resolved) (Words, error) {
	if m := c.residents.ready(what.key()); m != nil { // whatever has become of its folder
		return Words{Entry: what.entry, Config: m.Weights.Config(), Tokenizer: m.Tokenizer, Template: m.Template}, nil
	}
	w := Words{Entry: what.entry}
	if what.source != nil {
		err := what.source.readInto(&w)
		return w, err
	}
	r, err := ReadRecipe(*what.recipe)
	if err != nil {
		return Words{}, err
	}
	if err := c.readRecipeWords(r, &w); err != nil {
		return Words{}, within(err, "the words of recipe %s", what.recipe.ID)
	}
	return w, nil
}

// readRecipeWords fills in the words of a recipe's model, and its configuration.
// They are its parent's unless the recipe says otherwise.
func (c *Catalog) readRecipeWords(r merge.Recipe, w *Words) error {
	if !r.MergesTokens() {
		s, err := c.source(r.Origin())
		if err != nil {
			return err
		}
		if err := s.readInto(w); err != nil {
			return err
		}
		w.Template, err = c.templateOf(r, w.Template)
		return err
	}
	r, err := c.withVocabulary(r)
	if err != nil {
		return err
	}
	configs, err := c.configs(r)
	if err != nil {
		return err
	}
	w.Config = r.Config(configs)
	if w.Tokenizer, w.Template, err = c.recipeWords(r); err != nil {
		return err
	}
	w.Template, err = c.templateOf(r, w.Template)
	return err
}

// recipeWords gives the tokenizer of a recipe's model, and the chat template that
// comes with it.
func (c *Catalog) recipeWords(r merge.Recipe) (*tokenizer.Tokenizer, *chat.Template, error) {
	if r.Tokenizer != nil {
		words, err := c.mergedWords(r)
		if err != nil {
			return nil, nil, err
		}
		return words.tokenizer, words.template, nil
	}
	if in, made := r.Inputs[r.Parent()]; made {
		return c.recipeWords(in)
	}
	s, err := c.source(r.Parent())
	if err != nil {
		return nil, nil, err
	}
	return s.readWords()
}

// readInto fills in a source's words.
func (s *source) readInto(w *Words) (err error) {
	if w.Config, err = s.readConfig(); err != nil {
		return err
	}
	w.Tokenizer, w.Template, err = s.readWords()
	return err
}

// maxAlike is how many sources are compared: reading more tokenizers than that
// for a caller who names no model would be a favour too large.
const maxAlike = 64

// CommonWords gives the words that all sources have in common, as those of the
// first: then it makes no difference which model is asked. It is fault.NotFound
// if there are no sources, and fault.Conflict if they differ.
func (c *Catalog) CommonWords(ctx context.Context) (Words, error) {
	all, err := c.scan()
	if err != nil {
		return Words{}, err
	}
	all = slices.DeleteFunc(all, func(f found) bool { return f.adapter != "" }) // which have the words of others
	if len(all) == 0 {
		return Words{}, fault.New(fault.NotFound, "there are no models")
	}
	if len(all) > maxAlike {
		return Words{}, fault.New(fault.Conflict, "there are %d models", len(all))
	}
	first := ""
	for i, f := range all {
		s, err := c.source(f.name)
		if err != nil {
			return Words{}, err
		}
		digest, err := s.readWordsDigest()
		switch {
		case err != nil:
			return Words{}, err
		case i == 0:
			first = digest
		case digest != first:
			return Words{}, fault.New(fault.Conflict, "the models %s and %s have different tokenizers or chat templates", all[0].name, f.name)
		}
	}
	return c.Words(ctx, all[0].name)
}

// wordFiles are the files that a source's words are read from.
var wordFiles = []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json", "processor_config.json"}

// maxWordFileBytes bounds each of them; package tokenizer has the same bound.
const maxWordFileBytes = 256 << 20

// readWordsDigest gives the hash over the files that the words are read from.
func (s *source) readWordsDigest() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wordsDigest != "" {
		return s.wordsDigest, nil
	}
	s.update()
	h := sha256.New()
	for _, name := range wordFiles {
		data, err := checkpoint.ReadSmall(s.dir, name, maxWordFileBytes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", s.damaged(err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
		if name == tokenizer.File {
			sum := sha256.Sum256(data)
			s.tokensDigest = digestPrefix + hex.EncodeToString(sum[:])
		}
	}
	s.wordsDigest = hex.EncodeToString(h.Sum(nil))
	return s.wordsDigest, nil
}

// readTokensDigest gives the hash over the file with the tokens.
func (s *source) readTokensDigest() (string, error) {
	if _, err := s.readWordsDigest(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokensDigest, nil
}
