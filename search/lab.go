package search

import (
	"context"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// Lab makes models and lets them answer problems: all that a search needs of
// the rooms below it. [CatalogLab] is the real one.
type Lab interface {
	// Width is how many candidates can be tried at once just now; at least one.
	Width(ctx context.Context) int
	// Fit checks that the models of a recipe exist and can be merged, and gives
	// their number of blocks.
	Fit(ctx context.Context, r merge.Recipe) (layers int, err error)
	// Expand writes out, as inputs of a recipe, what its names of stored recipes and
	// aliases stand for, and gives the names that sources have.
	Expand(ctx context.Context, r merge.Recipe) (merge.Recipe, error)
	// CheckAlias says why a winner could not be published under an alias: somebody
	// else has the name.
	CheckAlias(ctx context.Context, alias string) error
	// Evaluate merges a recipe, asks it the problems, and frees it again.
	Evaluate(ctx context.Context, r merge.Recipe, t *task.Task, problems []task.Problem) (Evaluation, error)
	// EvaluateModel asks a model that has a name.
	EvaluateModel(ctx context.Context, name string, t *task.Task, problems []task.Problem) (Evaluation, error)
	// Publish stores a recipe under a name, and serves it under the alias, if
	// that isn't empty. It gives the recipe's id, and may be repeated.
	Publish(ctx context.Context, name string, r merge.Recipe, alias string) (model string, err error)
}

// Evaluation is what a Lab found out about a model.
type Evaluation struct {
	// Outcomes has the verdict on each problem, in their order.
	Outcomes []task.Outcome `json:"outcomes"`
	// Merge and Answer are the time it took to make the model and to let it
	// answer.
	Merge  time.Duration `json:"merge"`
	Answer time.Duration `json:"answer"`
	Tokens
}

// Evaluate scores a model that has a name on a split of a task. limit, if not
// 0, is how many of its problems to use.
func Evaluate(ctx context.Context, lab Lab, model string, t *task.Task, split task.Split, limit int) (task.Score, Evaluation, error) {
	problems := t.Problems(split)
	if len(problems) == 0 {
		return task.Score{}, Evaluation{}, fault.Bad("split", "task %q has no %q problems", t.Name, string(split))
	}
	if limit > 0 && limit < len(problems) {
		problems = problems[:limit]
	}
	e, err := lab.EvaluateModel(ctx, model, t, problems)
	if err != nil {
		return task.Score{}, Evaluation{}, err
	}
	return task.Summarize(e.Outcomes), e, nil
}
