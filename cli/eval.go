package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// evalChunk is how many problems are answered between two signs of progress.
const evalChunk = 64

// evalJob is what mergeway eval was asked for.
type evalJob struct {
	task    string
	split   string
	limit   int
	samples string
}

func newEval() *cobra.Command {
	var s settings
	var j evalJob
	cmd := &cobra.Command{
		Use:   "eval --task TASK MODEL...",
		Short: "Score models on a task",
		Long: `Lets models answer the problems of a task and scores the replies. A model is a
source, an alias, or a recipe by its id. While a model answers, its score so far is
shown; each row is printed when it is known, with its standard error and its 95 %
interval.`,
		Example: `  mergeway eval --task ja-math base ja-general en-math-a en-math-b
  mergeway eval --task ja-math --split validation --samples replies.jsonl winner`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, models []string) error {
			if j.limit < 0 {
				return usageError{fmt.Errorf("--limit is %d; it can't be negative", j.limit)}
			}
			r, err := s.open(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer r.close()
			tasks, err := s.shelf(r, 0)
			if err != nil {
				return err
			}
			return j.run(cmd, r, tasks, models)
		},
	}
	f := cmd.Flags()
	s.bind(f, "warn")
	f.StringVar(&j.task, "task", "ja-math", "the task, a subfolder of --tasks or one that was uploaded")
	f.StringVar(&j.split, "split", string(task.Test), "which problems: search, validation or test")
	f.IntVar(&j.limit, "limit", 0, "how many problems, from the first on (0: all)")
	f.StringVar(&j.samples, "samples", "", "write the verdict on each reply to this file, as JSON Lines")
	return bySubject(cmd)
}

func (j evalJob) run(cmd *cobra.Command, r *rooms, tasks search.Tasks, models []string) (err error) {
	t, err := tasks.Get(cmd.Context(), j.task)
	if err != nil {
		return err
	}
	problems := t.Problems(task.Split(j.split))
	if len(problems) == 0 {
		return fault.Bad("split", "task %q has no %q problems", t.Name, j.split)
	}
	if j.limit > 0 {
		problems = problems[:min(j.limit, len(problems))]
	}
	var samples io.Writer
	if j.samples != "" {
		file, err := os.OpenFile(j.samples, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return usageError{fmt.Errorf("--samples: %w", err)}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		samples = file
	}
	table := newScoreTable(cmd.OutOrStdout())
	defer table.Flush()
	for _, model := range models {
		outcomes, err := j.score(cmd.Context(), r.lab, model, t, problems, cmd.ErrOrStderr())
		if err == nil && samples != nil {
			err = writeSamples(samples, model, task.Samples(problems, outcomes))
		}
		if err != nil {
			return fmt.Errorf("model %q: %w", model, err)
		}
		score := task.Summarize(outcomes)
		table.row(model, &score, "")
	}
	return nil
}

// score lets a model answer, and shows how it is doing.
func (j evalJob) score(ctx context.Context, lab *search.CatalogLab, model string, t *task.Task, problems []task.Problem, progress io.Writer) ([]task.Outcome, error) {
	fmt.Fprintf(progress, "%s answers the %s problems of %s\n", model, j.split, t.Name)
	subject, err := lab.Open(ctx, model)
	if err != nil {
		return nil, err
	}
	defer subject.Close()
	var all []task.Outcome
	for from := 0; from < len(problems); from += evalChunk {
		outcomes, err := subject.Answer(ctx, t, problems[from:min(from+evalChunk, len(problems))])
		if err != nil {
			return nil, err
		}
		all = append(all, outcomes...)
		s := task.Summarize(all)
		fmt.Fprintf(progress, "\r%s: %d of %d, %.1f %% (%.1f–%.1f)", model, len(all), len(problems), 100*s.Accuracy, 100*s.Low, 100*s.High)
	}
	fmt.Fprintln(progress)
	return all, nil
}

// writeSamples writes verdicts as JSON Lines, each with the model's name.
func writeSamples(w io.Writer, model string, samples []task.Sample) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, s := range samples {
		line := struct {
			Model string `json:"model"`
			task.Sample
		}{model, s}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
