package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
)

// maxSources bounds how many folders are looked at.
const maxSources = 10_000

// found is a source as the models folder shows it.
type found struct {
	name    string // "base", or "org/base"
	dir     string
	adapter string    // the folder of the adapter on it; empty: none
	created time.Time // of its config.json
}

// scan finds the sources: folders with a config.json, directly below the models
// folder or one level deeper, as Hugging Face names them, and those with an adapter
// of theirs. Folders that appear
// under a running server are found at the next call.
func (c *Catalog) scan() ([]found, error) {
	var all []found
	var adapters []string
	var look func(prefix string, deeper bool) error
	look = func(prefix string, deeper bool) error {
		entries, err := os.ReadDir(filepath.Join(c.dir, prefix))
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := e.Name()
			if prefix != "" {
				name = prefix + "/" + name
			}
			f, err := c.look(name)
			switch {
			case err == nil && len(all) < maxSources:
				all = append(all, f)
			case err != nil && len(all)+len(adapters) < maxSources && c.isAdapter(name):
				adapters = append(adapters, name)
			case err != nil && deeper && e.IsDir() && merge.CheckName("", name) == nil:
				_ = look(name, false) // a folder that can't be read holds no models
			}
		}
		return nil
	}
	if err := look("", true); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the models folder can't be read")
	}
	all = append(all, c.adapted(all, adapters)...)
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}

// look finds one source by name; fault.NotFound if there is none.
func (c *Catalog) look(name string) (found, error) {
	if err := merge.CheckModel("model", name); err != nil {
		return found{}, fault.New(fault.NotFound, "there is no model %q", name)
	}
	if strings.Contains(name, merge.AdapterMark) {
		return c.lookAdapted(name)
	}
	if isRecipeID(name) { // an id never changes meaning, whatever folders appear
		return found{}, fault.New(fault.NotFound, "there is no model %q", name)
	}
	dir := filepath.Join(c.dir, filepath.FromSlash(name))
	info, err := os.Stat(filepath.Join(dir, checkpoint.ConfigFile))
	if err != nil || !info.Mode().IsRegular() {
		// ENOTDIR: the name, or the start of it, is that of a file.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return found{}, fault.Wrap(err, fault.Damaged, "model %q", name)
		}
		return found{}, fault.New(fault.NotFound, "there is no model %q", name)
	}
	return found{name: name, dir: dir, created: info.ModTime()}, nil
}

// source is what is known of a source besides its weights. What was read once
// is kept, until its model fails to load, or is loaded anew from files that have
// changed: then all of it is read again, so that a folder can be mended under a
// running server, and what is kept is always of one version of the folder.
type source struct {
	found
	outdated func() // drops the weights of a version that is gone

	mu        sync.Mutex
	version   string // of the files, when the first of what follows was read
	config    *checkpoint.Config
	tokenizer *tokenizer.Tokenizer
	template  *chat.Template
	digest    string
	tensors   tensorList

	vocabulary *tokenizer.Vocabulary

	sight atomic.Pointer[sight] // nil: not known yet

	wordsDigest  string // of the files that the words are read from
	tokensDigest string // of the one with the tokens
}

// source gives the source of a name.
func (c *Catalog) source(name string) (*source, error) {
	f, err := c.look(name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sources[name]
	if s == nil {
		s = &source{found: f, outdated: func() { c.residents.drop(name); c.residents.drop(visionKey(name)) }}
		c.sources[name] = s
	}
	return s, nil
}

// SourceDigests are the digests of all sources' contents, by name; it reads all
// weights, once. A source that can't be read is left out.
func (c *Catalog) SourceDigests(ctx context.Context) (map[string]string, error) {
	all, err := c.scan()
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, f := range all {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(err, fault.Cancelled, "read the models")
		}
		if s, err := c.source(f.name); err == nil {
			if digest, err := s.readDigest(); err == nil {
				digests[f.name] = digest
			}
		}
	}
	return digests, nil
}

// readConfig gives the source's configuration.
func (s *source) readConfig() (checkpoint.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config == nil {
		s.update()
		config, err := checkpoint.ReadConfig(s.dir)
		if err != nil {
			return checkpoint.Config{}, s.damaged(err)
		}
		s.config = &config
	}
	return *s.config, nil
}

// readWords gives the tokenizer and the chat template.
func (s *source) readWords() (*tokenizer.Tokenizer, *chat.Template, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.template == nil {
		s.update()
		tok, err := tokenizer.Load(s.dir)
		if err != nil {
			return nil, nil, s.damaged(err)
		}
		template, err := chat.Load(s.dir, tok)
		if err != nil {
			return nil, nil, s.damaged(err)
		}
		s.tokenizer, s.template = tok, template
	}
	return s.tokenizer, s.template, nil
}

// readDigest gives the hash over the source's content. It reads all weights,
// once.
func (s *source) readDigest() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.digest == "" {
		s.update()
		folder, err := s.open()
		if err != nil {
			return "", s.damaged(err)
		}
		defer folder.Close()
		if s.digest, err = folder.Digest(); err != nil {
			return "", s.damaged(err)
		}
	}
	return s.digest, nil
}

// forget drops what was read: any of it may be what has to be mended.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// clear is forget for who holds the lock.
func (s *source) clear() {
	s.config, s.tokenizer, s.template, s.vocabulary = nil, nil, nil, nil
	s.sight.Store(nil)
	s.digest, s.wordsDigest, s.tokensDigest = "", "", ""
}

// reload drops what was read of files that have changed since. It is for who is
// about to load the weights, and tells whether there are such files.
func (s *source) reload() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh()
}

// update does the same for who is about to read something else, and drops the
// weights, too, for what will be read is not of their version. The caller holds
// the lock.
func (s *source) update() {
	first := s.version == ""
	if s.refresh() && !first {
		s.outdated()
	}
}

// look is update for who is about to use the files themselves.
func (s *source) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
}

// refresh tells whether the files have changed. The caller holds the lock.
func (s *source) refresh() bool {
	now := checkpoint.Version(s.dir)
	if s.adapter != "" {
		now += "\n" + checkpoint.Version(s.adapter)
	}
	if now == s.version {
		return false
	}
	s.clear()
	s.version = now
	return true
}

// damaged says of which model an error is, and all of what it says: whoever asks
// for the model wants to know which file to mend. What is wrong with a folder on
// our disk is nothing that the caller sent, so Invalid becomes Damaged.
func (s *source) damaged(err error) error {
	code := fault.CodeOf(err)
	if code == fault.Invalid || code == fault.Internal || errors.Is(err, fs.ErrNotExist) {
		code = fault.Damaged
	}
	// Where the models lie on this machine is nobody's business.
	text := strings.ReplaceAll(err.Error(), s.dir+string(filepath.Separator), "")
	if s.adapter != "" {
		text = strings.ReplaceAll(text, s.adapter+string(filepath.Separator), "")
	}
	return &fault.Error{Code: code, Message: fmt.Sprintf("model %q can't be loaded: %s", s.name, text)}
}

// within says what an error happened in, and keeps its code, field and message:
// the message alone is what a caller gets to see.
func within(err error, format string, args ...any) error {
	e := &fault.Error{Code: fault.CodeOf(err), Message: fmt.Sprintf(format, args...) + ": " + err.Error(), Err: err}
	var inner *fault.Error
	if errors.As(err, &inner) {
		e.Param, e.Message, e.Err = inner.Param, fmt.Sprintf(format, args...)+": "+inner.Message, inner.Err
	}
	return e
}
