package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

func newEval() *cobra.Command {
	var s settings
	var name, split string
	var limit int
	cmd := &cobra.Command{
		Use:   "eval --task TASK MODEL...",
		Short: "Score models on a task",
		Long: `Lets models answer the problems of a task and scores the replies. A model is a
source, an alias, or a recipe by its id. Each row is printed when it is known.`,
		Example: `  mergeway eval --task ja-math base ja-general en-math-a en-math-b
  mergeway eval --task ja-math --split validation winner`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, models []string) error {
			if limit < 0 {
				return usageError{fmt.Errorf("--limit is %d; it can't be negative", limit)}
			}
			r, err := s.open(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer r.close()
			t, err := task.NewLibrary(s.Tasks, task.Loader{}).Get(cmd.Context(), name)
			if err != nil {
				return err
			}
			table := newScoreTable(cmd.OutOrStdout())
			defer table.Flush()
			for _, model := range models {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s answers the %s problems of %s\n", model, split, name)
				score, _, err := search.Evaluate(cmd.Context(), r.lab, model, t, task.Split(split), limit)
				if err != nil {
					return fmt.Errorf("model %q: %w", model, err)
				}
				table.row(model, &score, "")
			}
			return nil
		},
	}
	f := cmd.Flags()
	s.bind(f, "warn")
	f.StringVar(&name, "task", "ja-math", "the task, a subfolder of --tasks")
	f.StringVar(&split, "split", string(task.Test), "which problems: search, validation or test")
	f.IntVar(&limit, "limit", 0, "how many problems, from the first on (0: all)")
	return bySubject(cmd)
}
