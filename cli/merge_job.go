package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
)

// mergeJob is a merge with its sources' folders opened and checked.
type mergeJob struct {
	settings *mergeSettings
	dev      *device.Device
	recipe   merge.Recipe
	folders  map[string]*checkpoint.Folder
	plan     merge.Plan
	read     int64     // bytes of weights so far
	say      io.Writer // results
	progress io.Writer
}

// open checks all that can be checked before the work.
func (s *mergeSettings) open(dev *device.Device, recipe merge.Recipe, say, progress io.Writer) (_ *mergeJob, err error) {
	j := &mergeJob{settings: s, dev: dev, recipe: recipe, folders: map[string]*checkpoint.Folder{}, say: say, progress: progress}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	described, held := map[string]merge.Described{}, map[string]dtypes.DType{}
	configs := map[string]checkpoint.Config{}
	for _, name := range recipe.Leaves() {
		folder, err := s.openModel(name)
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", name, err)
		}
		j.folders[name], described[name] = folder, merge.Described{Config: folder.Config(), Tensors: folder.Tensors()}
		configs[name] = folder.Config()
		held[name] = dev.ComputeDType(infer.StoredDType(folder))
	}
	recipe = recipe.Settle(configs)
	if recipe.Tokenizer != nil {
		if err := readVocabularies(j.folders, described); err != nil {
			return nil, err
		}
	}
	if err := merge.Fit(recipe, described); err != nil {
		return nil, err
	}
	if recipe.Vocabulary, err = merge.NewVocabulary(recipe, described); err != nil {
		return nil, err
	}
	j.recipe = recipe
	if err := merge.CheckPlace(s.Out, s.Force); err != nil {
		return nil, err
	}
	j.plan = merge.NewPlan(recipe, described, held)
	return j, nil
}

// readVocabularies reads what tokens the models have. One without a tokenizer.json
// is what the check of the recipe reports.
func readVocabularies(folders map[string]*checkpoint.Folder, described map[string]merge.Described) error {
	for name, d := range described {
		var err error
		d.Vocabulary, err = tokenizer.LoadVocabulary(folders[name].Dir())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("model %q: %w", name, err)
		}
		described[name] = d
	}
	return nil
}

// openModel opens the folder of a model, with an adapter on it if the name has one.
func (s *mergeSettings) openModel(name string) (*checkpoint.Folder, error) {
	model, adapter := merge.SplitAdapter(name)
	dir := filepath.Join(s.Models, filepath.FromSlash(model))
	if adapter == "" {
		return checkpoint.Open(dir)
	}
	return checkpoint.OpenAdapted(dir, filepath.Join(s.Models, filepath.FromSlash(adapter)))
}

// close closes the folders.
func (j *mergeJob) close() {
	for _, f := range j.folders {
		_ = f.Close()
	}
}

// explain prints the plan.
func (j *mergeJob) explain() error {
	w := tabwriter.NewWriter(j.say, 0, 0, 2, ' ', 0)
	var read int64
	var parts []string
	for _, name := range j.recipe.Leaves() {
		read += j.plan.Read[name]
		parts = append(parts, fmt.Sprintf("%s %s", name, bytesText(j.plan.Read[name])))
	}
	fmt.Fprintf(w, "method\t%s\n", j.recipe.Method)
	if inputs := j.recipe.Stages(); len(inputs) > 1 {
		fmt.Fprintf(w, "merges\t%d, one after the other\n", len(inputs))
	}
	fmt.Fprintf(w, "tensors\t%d\n", j.plan.Tensors)
	fmt.Fprintf(w, "read\t%s: %s\n", bytesText(read), strings.Join(parts, ", "))
	fmt.Fprintf(w, "write\t%s to %s\n", bytesText(j.plan.Written), j.settings.Out)
	fmt.Fprintf(w, "device memory\t%s: the sources and the merged model\n", bytesText(j.plan.Device))
	fmt.Fprintf(w, "host memory\t%s while writing", bytesText(j.plan.Staging))
	if j.plan.Ranking > 0 {
		fmt.Fprintf(w, ", up to %s before for rankings", bytesText(j.plan.Ranking))
	}
	fmt.Fprintf(w, "\nNothing is merged or written: this was a dry run.\n")
	return w.Flush()
}

// run loads the sources, merges them and writes the result.
func (j *mergeJob) run(ctx context.Context) error {
	began := time.Now()
	done := func(since time.Time, bytes int64, format string, args ...any) {
		took := time.Since(since).Seconds()
		fmt.Fprintf(j.say, "%7.2f s  %s: %s, %s/s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...), bytesText(bytes), bytesText(int64(float64(bytes)/max(took, 1e-6))))
	}
	merged, err := j.merge(ctx, done)
	if err != nil {
		return err
	}
	defer merged.Free()
	options := merge.ExportOptions{
		Parent: j.folders[j.recipe.Origin()].Dir(), ShardBytes: int64(j.settings.Shard),
		NoTokenizer: j.settings.NoWords, NoCard: j.settings.NoCard, Replace: j.settings.Force,
	}
	if v := j.recipe.Vocabulary; v != nil {
		options.Lender = j.folders[v.Lender].Dir()
	}
	if !options.NoCard {
		if options.Card.Digests, err = j.digests(ctx); err != nil {
			return err
		}
	}
	writing := time.Now()
	bar := newBytesBar(j.progress, "writing", j.plan.Written)
	options.Progress = func(written, _ int64) { bar.set(written) }
	executor := merge.NewExecutor(j.dev)
	defer executor.Close()
	err = executor.Export(ctx, j.settings.Out, j.recipe, merged, options)
	bar.end()
	if err != nil {
		return err
	}
	done(writing, j.plan.Written, "written to %s", j.settings.Out)
	return nil
}

// report tells of a step that has been done with so many bytes.
type report func(since time.Time, bytes int64, format string, args ...any)

// merge makes the models of the recipe's stages, one after the other. Only the last
// one is there when it returns, so that the writing has room.
func (j *mergeJob) merge(ctx context.Context, done report) (merged *infer.Weights, err error) {
	models := map[string]*infer.Weights{}
	defer func() {
		for _, w := range models {
			w.Free()
		}
	}()
	var total int64
	for _, bytes := range j.plan.Read {
		total += bytes
	}
	bar := newBytesBar(j.progress, "loading", total)
	defer bar.end()
	executor := merge.NewExecutor(j.dev)
	defer executor.Close()
	stages := j.recipe.Stages()
	for i, s := range stages {
		if err := j.load(ctx, s.Recipe.Models(), models, bar, done); err != nil {
			return nil, err
		}
		merging := time.Now()
		if merged, err = executor.Merge(ctx, s.Recipe, models); err != nil {
			return nil, err
		}
		bar.clear()
		done(merging, merged.Bytes()*int64(len(s.Recipe.Models())+1), "merged by %s", s.Recipe.Method)
		if s.Name != "" {
			models[s.Name] = merged
		}
		for _, name := range merge.Idle(stages, i) {
			executor.Forget(models[name])
			models[name].Free()
			delete(models, name)
		}
	}
	return merged, nil
}

// load puts those of the models on the device that are not there.
func (j *mergeJob) load(ctx context.Context, names []string, models map[string]*infer.Weights, bar *bytesBar, done report) error {
	for _, name := range names {
		if models[name] != nil {
			continue
		}
		loading := time.Now()
		weights, err := infer.LoadWeights(ctx, j.dev, j.folders[name], dtypes.InvalidDType)
		if err != nil {
			return fmt.Errorf("model %q: %w", name, err)
		}
		models[name] = weights
		j.read += j.plan.Read[name]
		bar.clear()
		done(loading, j.plan.Read[name], "loaded %s", name)
		bar.set(j.read)
	}
	return nil
}

// digests names the sources by their contents.
func (j *mergeJob) digests(ctx context.Context) (map[string]string, error) {
	digests := map[string]string{}
	for name, folder := range j.folders {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		digest, err := folder.Digest()
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", name, err)
		}
		digests[name] = digest
	}
	return digests, nil
}
