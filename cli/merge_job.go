package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
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
	configs, sees := map[string]checkpoint.Config{}, false
	for _, name := range recipe.Leaves() {
		folder, err := s.openModel(name)
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", name, err)
		}
		j.folders[name], described[name] = folder, merge.Described{Config: folder.Config(), Tensors: folder.Tensors(), Vision: folder.Vision()}
		configs[name] = folder.Config()
		held[name] = dev.ComputeDType(infer.StoredDType(folder))
		sees = sees || folder.Vision() != nil
	}
	recipe = recipe.Settle(configs)
	if recipe.MergesTokens() || sees {
		if err := readVocabularies(j.folders, described); err != nil {
			return nil, err
		}
	}
	if err := merge.Fit(recipe, described); err != nil {
		return nil, err
	}
	if recipe, err = recipe.WithVision(described); err != nil {
		return nil, err
	}
	recipe, err = recipe.WithVocabularies(func(r merge.Recipe) (*merge.Vocabulary, error) { return merge.NewVocabulary(r, described) })
	if err != nil {
		return nil, err
	}
	j.recipe = recipe
	if err := merge.CheckPlace(s.Out, s.Force); err != nil {
		return nil, err
	}
	j.plan = merge.NewPlan(recipe, described, held)
	if budget, least := int64(s.Budget), j.plan.Kept+j.plan.Unit; budget > 0 && least > budget {
		return nil, fault.New(fault.OutOfMemory, "--budget is %s, and to merge these models unit by unit takes %s (%d bytes)", bytesText(budget), bytesText(least), least)
	}
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
	if lender := j.recipe.Sees(); lender != "" {
		fmt.Fprintf(w, "vision part\tof %s, copied as it is\n", lender)
	}
	if t := j.recipe.Tokenizer; t != nil {
		fmt.Fprintf(w, "tokens\tmerged by token, source %q\n", t.Source)
	}
	fmt.Fprintf(w, "tensors\t%d\n", j.plan.Tensors)
	fmt.Fprintf(w, "read\t%s: %s\n", bytesText(read), strings.Join(parts, ", "))
	fmt.Fprintf(w, "write\t%s to %s\n", bytesText(j.plan.Written), j.settings.Out)
	fmt.Fprintf(w, "device memory\t%s: %s\n", bytesText(j.memory()), j.how())
	if j.plan.Ranking > 0 {
		fmt.Fprintf(w, "host memory\tup to %s for rankings\n", bytesText(j.plan.Ranking))
	}
	fmt.Fprintf(w, "Nothing is merged or written: this was a dry run.\n")
	return w.Flush()
}

// sequential tells whether there is only room for a unit at a time.
func (j *mergeJob) sequential() bool {
	return j.settings.Budget > 0 && j.plan.Kept+2*j.plan.Unit > int64(j.settings.Budget)
}

// memory is how much of the device the merge takes.
func (j *mergeJob) memory() int64 {
	if j.sequential() {
		return j.plan.Kept + j.plan.Unit
	}
	return j.plan.Kept + 2*j.plan.Unit
}

// how says what the merge takes its memory for.
func (j *mergeJob) how() string {
	if j.sequential() {
		return fmt.Sprintf("streamed, one unit of all models after the other (%s would be faster)", bytesText(j.plan.Kept+2*j.plan.Unit))
	}
	return fmt.Sprintf("streamed, two units of all models at a time (%s at least, with --budget)", bytesText(j.plan.Kept+j.plan.Unit))
}

// run merges the sources and writes the result, unit by unit.
func (j *mergeJob) run(ctx context.Context) error {
	models := map[string]merge.Model{}
	for name, folder := range j.folders {
		stored, err := infer.NewStored(j.dev, folder, dtypes.InvalidDType)
		if err != nil {
			return fmt.Errorf("model %q: %w", name, err)
		}
		models[name] = stored
	}
	options := merge.ExportOptions{
		Parent: j.folders[j.recipe.Origin()].Dir(), ShardBytes: int64(j.settings.Shard), Sequential: j.sequential(), Identity: j.identity(),
		Lender: j.folders[j.recipe.Speaker()].Dir(), NoTokenizer: j.settings.NoWords, NoCard: j.settings.NoCard, Replace: j.settings.Force,
	}
	if lender := j.recipe.Sees(); lender != "" {
		options.Vision = j.folders[lender].Dir()
	}
	var err error
	if options.ChatTemplate, err = merge.ChatTemplateText(j.recipe, func(name string) (string, error) { return j.folders[name].Dir(), nil }); err != nil {
		return err
	}
	if !options.NoCard {
		digests, stop := j.digests(ctx)
		defer stop()
		options.Complete = func(card *merge.Card) (err error) {
			card.Digests, err = digests()
			return err
		}
	}
	began, before := time.Now(), int64(-1)
	bar := newBytesBar(j.progress, "merging", j.plan.Written)
	defer bar.end()
	options.Progress = func(written, _ int64) {
		if before < 0 {
			if before = written; before > 0 {
				fmt.Fprintf(j.say, "going on: %s were written before\n", bytesText(before))
			}
		}
		bar.set(written)
	}
	executor := merge.NewExecutor(j.dev)
	defer executor.Close()
	free, err := j.makeInputs(ctx, executor, models)
	defer free()
	if err != nil {
		return err
	}
	if err := executor.ExportFrom(ctx, j.settings.Out, j.recipe, models, options); err != nil {
		return err
	}
	bar.end()
	took := time.Since(began).Seconds()
	rate := int64(float64(j.plan.Written-before) / max(took, 1e-6))
	fmt.Fprintf(j.say, "%7.2f s  merged by %s and written to %s: %s, %s/s\n", took, j.recipe.Method, j.settings.Out, bytesText(j.plan.Written), bytesText(rate))
	return nil
}

// makeInputs makes the models of the recipe's stages but the last, one after the
// other, and adds them to those that there are. What the last one needs of them
// stays, and is freed by the function that it gives.
func (j *mergeJob) makeInputs(ctx context.Context, executor *merge.Executor, models map[string]merge.Model) (free func(), err error) {
	made := map[string]*infer.Weights{}
	free = func() {
		for _, w := range made {
			w.Free()
		}
	}
	stages := j.recipe.Stages()
	for i, s := range stages[:len(stages)-1] {
		began := time.Now()
		merged, err := executor.MergeFrom(ctx, s.Recipe, models, merge.StreamOptions{Sequential: j.sequential()})
		if err != nil {
			return free, err
		}
		models[s.Name], made[s.Name] = merged, merged
		fmt.Fprintf(j.say, "%7.2f s  an input merged by %s: %s\n", time.Since(began).Seconds(), s.Recipe.Method, bytesText(merged.Bytes()))
		for _, name := range merge.Idle(stages, i) {
			if w := made[name]; w != nil {
				executor.Forget(w)
				w.Free()
				delete(made, name)
				delete(models, name)
			}
		}
	}
	return free, nil
}

// identity tells the sources from any others: by their folders' names, and the
// names, sizes and times of their files.
func (j *mergeJob) identity() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(j.folders)) {
		fmt.Fprintf(&b, "%q\n%s\n", name, checkpoint.Version(j.folders[name].Dir()))
		if _, adapter := merge.SplitAdapter(name); adapter != "" {
			fmt.Fprintf(&b, "%s\n", checkpoint.Version(filepath.Join(j.settings.Models, filepath.FromSlash(adapter))))
		}
	}
	return b.String()
}

// digests begins to name the sources by their contents, which reads all of them
// once more: at the same time as the merge does, so that they come from the disk
// once. The first function that it gives waits for the names; the second ends the
// work, and has to be called before the folders are closed.
func (j *mergeJob) digests(ctx context.Context) (wait func() (map[string]string, error), stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	digests := map[string]string{}
	for name, folder := range j.folders {
		all.Go(func() {
			digest, err := folder.DigestContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			if digests[name] = digest; err != nil && failed == nil {
				failed = fmt.Errorf("model %q: %w", name, err)
			}
		})
	}
	return func() (map[string]string, error) { all.Wait(); return digests, failed }, func() { cancel(); all.Wait() }
}
