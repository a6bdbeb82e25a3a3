package catalog

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// Fit checks that the sources of a recipe exist and can be merged, and gives the
// configuration that the merged model will have. Sources are source folders; of
// what a recipe within it makes as much is known as is needed. The error has
// every reason: fault.NotFound with all that isn't there, or else fault.Unfit
// around a merge.Misfit.
func (c *Catalog) Fit(ctx context.Context, r merge.Recipe) (checkpoint.Config, error) {
	_, config, err := c.fit(ctx, r)
	return config, err
}

// fit is Fit that also gives the recipe in the plainest form that it has for
// these models, with their vocabulary if it merges by token.
func (c *Catalog) fit(_ context.Context, r merge.Recipe) (merge.Recipe, checkpoint.Config, error) {
	refused := func(err error) (merge.Recipe, checkpoint.Config, error) { return r, checkpoint.Config{}, err }
	if err := r.Validate(); err != nil {
		return refused(err)
	}
	models := map[string]merge.Described{}
	sources := map[string]*source{}
	var missing []string
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if fault.CodeOf(err) == fault.NotFound {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			return refused(err)
		}
		sources[name] = s
	}
	if len(missing) > 0 {
		return refused(noSources(r, missing))
	}
	configs := map[string]checkpoint.Config{}
	for _, name := range r.Leaves() { // in order, so that the same one fails each time
		var err error
		if models[name], err = sources[name].describe(); err != nil {
			return refused(err)
		}
		configs[name] = models[name].Config
	}
	if !r.MergesTokens() && !seen(models) {
		countTokens(sources, models)
	} else if err := readVocabularies(sources, models); err != nil {
		return refused(err)
	}
	r = r.Settle(configs)
	if err := merge.Fit(r, models); err != nil {
		return refused(err)
	}
	r, err := r.WithVision(models)
	if err != nil {
		return refused(err)
	}
	if r, err = c.withVocabulary(r); err != nil {
		return refused(err)
	}
	return r, merge.Describe(r, models).Config, nil
}

// seen tells whether any of the models sees pictures.
func seen(models map[string]merge.Described) bool {
	for _, d := range models {
		if d.Vision != nil {
			return true
		}
	}
	return false
}

// readVocabularies reads the tokens of all models.
func readVocabularies(sources map[string]*source, models map[string]merge.Described) (err error) {
	for name, d := range models {
		if d.Vocabulary, err = sources[name].readVocabulary(); err != nil {
			return err
		}
		models[name] = d
	}
	return nil
}

// noSources says what isn't there.
func noSources(r merge.Recipe, names []string) error {
	text := "there is no source model " + strconv.Quote(names[0])
	if len(names) > 1 {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = strconv.Quote(name)
		}
		text = "there are no source models " + strings.Join(quoted, ", ")
	}
	param := "sources"
	switch {
	case names[0] == r.Vision && !slices.Contains(r.Models(), names[0]):
		param = "vision"
	case !slices.Contains(r.Models(), names[0]) || r.Inputs[names[0]].Method != "":
		param = "inputs"
	case names[0] == r.Base:
		param = "base_model"
	}
	return &fault.Error{Code: fault.NotFound, Param: param, Message: text + " to merge"}
}

// describe tells what is known of a source without reading its weights.
func (s *source) describe() (d merge.Described, err error) {
	if d.Config, err = s.readConfig(); err != nil {
		return d, err
	}
	if d.Vision, err = s.readVision(); err != nil {
		return d, err
	}
	d.Tensors, err = s.readTensors()
	return d, err
}

// readTensors lists the tensors of the source's files.
func (s *source) readTensors() ([]checkpoint.TensorInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tensors.list == nil || s.tensors.version != s.version {
		s.update()
		folder, err := s.open()
		if err != nil {
			return nil, s.damaged(err)
		}
		defer folder.Close()
		s.tensors = tensorList{version: s.version, list: folder.Tensors()}
	}
	return s.tensors.list, nil
}

// tensorList are the tensors of one version of a folder.
type tensorList struct {
	version string
	list    []checkpoint.TensorInfo
}

// countTokens looks at the tokenizers of models whose embeddings differ in size,
// to tell added words from rows to spare.
func countTokens(sources map[string]*source, models map[string]merge.Described) {
	sizes := map[int]bool{}
	for _, d := range models {
		sizes[d.Config.VocabSize] = true
	}
	if len(sizes) < 2 {
		return
	}
	for name, d := range models {
		if tok, _, err := sources[name].readWords(); err == nil { // what is wrong with it is told where it matters
			d.Tokens = tok.TextRows()
			models[name] = d
		}
	}
}
