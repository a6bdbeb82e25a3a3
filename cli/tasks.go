package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/judge"
	"github.com/mergeway/mergeway/search/task"
)

// bindJudge adds the flags of the model that grades replies.
func (s *settings) bindJudge(f *pflag.FlagSet) {
	f.StringVar(&s.Judge.URL, "judge-url", "", "OpenAI-style API of the model that grades replies, for tasks with the metric judge, e.g. https://judge.example.com/v1 (none: such tasks can't be scored). Tasks never name an address")
	f.StringVar(&s.Judge.Model, "judge-model", "", "its name there")
	f.StringVar(&s.Judge.Key, "judge-key", "", "its API key, better given as MERGEWAY_JUDGE_KEY")
	config.Secret(f, "judge-key")
	f.DurationVar(&s.Judge.Timeout, "judge-timeout", time.Minute, "time for one attempt to get a grade")
	f.IntVar(&s.Judge.Retries, "judge-retries", 3, "attempts after one that failed for the moment (-1: none)")
	f.IntVar(&s.Judge.Tokens, "judge-max-tokens", 512, "longest reply of the judge")
}

// shelf has the tasks of --tasks, and those that were uploaded: so many may be.
func (s *settings) shelf(r *rooms, uploads int) (*task.Shelf, error) {
	var loader task.Loader
	if s.Judge.URL != "" {
		j, err := judge.New(s.Judge)
		if err != nil {
			return nil, usageError{err}
		}
		loader.Judge = j
	}
	return task.NewShelf(task.NewLibrary(s.Tasks, loader), loader, r.store, uploads), nil
}
