package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// stopTime is how long an interrupted search may take to be saved.
const stopTime = 15 * time.Second

func newSearch() *cobra.Command {
	var s settings
	var spec search.Spec
	var file, sources, method, groups, fitness, options, objectives, ranges, filters, racing string
	var weights, densities []float64
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Evolve a merge, without the gateway",
		Long: `Searches for the merge of --sources that is best at --task, by CMA-ES or another
--optimizer over the weights (and densities) of each layer group, and prints what it finds: a line a
generation, the validation scores of the best candidates, and the test scores of
the winner, the base, the sources and their plain average.

The recipe found is stored and can be served under --alias. An interrupted search
is continued by "mergeway serve" on the same --data.`,
		Example: `  mergeway search --task ja-math --base base --sources ja-general,en-math-a,en-math-b \
      --groups blocks --trials 300 --alias winner
  mergeway search --base base --sources ja-general --method slerp --groups blocks/4 \
      --filters self_attn,mlp --ranges '{"t": [0, 1]}'
  mergeway search --spec search.json`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				data, err := os.ReadFile(file)
				if err != nil {
					return usageError{fmt.Errorf("--spec: %w", err)}
				}
				parse := search.ParseSpec
				if ext := filepath.Ext(file); ext == ".yaml" || ext == ".yml" {
					parse = search.ParseEvolve
				}
				if spec, err = parse(data); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
			} else {
				spec.Sources = splitList(sources)
				var err error
				if spec.Optimizer.Options, err = search.ParseOptimizerOptions([]byte(options)); err != nil {
					return usageError{fmt.Errorf("--optimizer-options: %w", err)}
				}
				if spec.Ranges, err = search.ParseRanges([]byte(ranges)); err != nil {
					return usageError{fmt.Errorf("--ranges: %w", err)}
				}
				spec.Filters = splitList(filters)
				if racing != "" {
					if spec.Racing, err = search.ParseRacing([]byte(racing)); err != nil {
						return usageError{fmt.Errorf("--racing: %w", err)}
					}
				}
				if objectives != "" {
					if spec.Objectives, err = search.ParseObjectives([]byte(objectives)); err != nil {
						return usageError{fmt.Errorf("--objectives: %w", err)}
					}
					if !cmd.Flags().Changed("task") {
						spec.Task = "" // the first objective's
					}
				}
				spec.Method, spec.Groups, spec.Fitness = merge.Method(method), merge.Grouping(groups), search.Fitness(fitness)
				for _, r := range []struct {
					flag string
					from []float64
					to   *search.Range
				}{{"weight-range", weights, &spec.WeightRange}, {"density-range", densities, &spec.DensityRange}} {
					switch len(r.from) {
					case 0:
					case 2:
						*r.to = search.Range{r.from[0], r.from[1]}
					default:
						return usageError{fmt.Errorf("--%s takes two numbers, such as 0,1.5", r.flag)}
					}
				}
			}
			return runSearch(cmd, &s, spec)
		},
	}
	f := cmd.Flags()
	s.bind(f, "warn")
	f.StringVar(&file, "spec", "", "read the search from a file: JSON, the body of POST /v1/searches, with path and then as well, or YAML as mergekit-evolve reads it; the flags below are then ignored")
	f.StringVar(&spec.Task, "task", "ja-math", "the task, a subfolder of --tasks")
	f.StringVar(&objectives, "objectives", "", `several things to maximise, as JSON: [{"task": "ja-math", "weight": 2}, {"task": "en-math"}]`)
	f.StringVar(&spec.Base, "base", "", "the model that the sources were fine-tuned from")
	f.StringVar(&sources, "sources", "", "the models to merge, separated by commas")
	f.StringVar(&method, "method", string(search.DefaultMethod), fmt.Sprintf("one of %v", merge.Methods()))
	f.StringVar(&groups, "groups", string(search.DefaultGroups), fmt.Sprintf("layer groups: one of %v, or blocks/N by runs of N blocks", merge.Groupings()))
	f.StringVar(&fitness, "fitness", string(search.Accuracy), "what is maximised: accuracy, or shaped (also rewards half-right replies)")
	f.Float64SliceVar(&weights, "weight-range", nil, "bounds of every weight (default 0,1.5)")
	f.Float64SliceVar(&densities, "density-range", nil, "bounds of every density (default 0.1,1)")
	f.StringVar(&ranges, "ranges", "", `numbers to search for by name, as JSON: {"lambda": [0.5, 1.5], "weight": {"range": [0, 2], "over": "gradient", "anchors": 3, "shared": true}}`)
	f.StringVar(&filters, "filters", "", "parts of tensors' names that have values of their own, separated by commas: self_attn,mlp,norm")
	f.StringVar((*string)(&spec.Optimizer.Name), "optimizer", string(search.CMAES), fmt.Sprintf("one of %v", search.OptimizerNames()))
	f.StringVar(&options, "optimizer-options", "{}", `its options as JSON, such as {"covariance": "diagonal", "restarts": "ipop"}`)
	f.IntVar(&spec.Population, "population", 0, "candidates a generation (0: the optimizer's default)")
	f.Float64Var(&spec.Sigma, "sigma", search.DefaultSigma, "first step size, as a share of each range")
	f.Uint64Var(&spec.Seed, "seed", 1, "decides everything that is random")
	f.IntVar(&spec.SampleSize, "sample-size", 0, "search problems a generation is scored on (0: all)")
	f.StringVar(&racing, "racing", "", `stop candidates that can't reach the best any more, as JSON: {"block": 16, "confidence": 0.95, "bound": "normal", "against": "best"}, or {} (default: ask all everything)`)
	f.IntVar(&spec.Trials, "trials", search.DefaultTrials, "most candidates to try")
	f.Float64Var(&spec.Minutes, "minutes", search.DefaultMinutes, "longest that candidates are tried")
	f.IntVar(&spec.Tokens, "tokens", 0, "most tokens that candidates read and write, prompts and replies together (0: any number)")
	f.StringVar(&spec.Alias, "alias", "", "name to serve the winner under")
	f.StringVar(&spec.Name, "name", "", "name of the search and of its recipe (default: the task's)")
	return bySubject(cmd)
}

// runSearch runs one search to its end and shows it.
func runSearch(cmd *cobra.Command, s *settings, spec search.Spec) error {
	ctx := cmd.Context()
	r, err := s.open(ctx, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer r.close()
	tasks, err := s.shelf(r, 0)
	if err != nil {
		return err
	}
	service, err := search.NewService(search.Options{Store: r.store, Lab: r.lab, Tasks: tasks, ClaimTTL: s.ClaimTTL, ReplyBytes: s.ReplyBytes, Logger: r.log})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		_ = service.Stop(stop)
	}()
	launched, err := service.Launch(ctx, spec)
	if err != nil {
		return err
	}
	events, err := service.Events(ctx, launched.ID, 0)
	if err != nil {
		return err
	}
	show(cmd.OutOrStdout(), cmd.ErrOrStderr(), launched, events)
	if ctx.Err() != nil {
		return fault.Wrap(ctx.Err(), fault.Cancelled, "search %s is interrupted; \"mergeway serve\" on the same --data continues it", launched.ID)
	}
	ended, err := service.Get(ctx, launched.ID)
	if err != nil {
		return err
	}
	if ended.State != search.Done {
		return fault.New(fault.Internal, "search %s is %s: %s", ended.ID, ended.State, ended.Reason)
	}
	return showWinner(cmd.OutOrStdout(), ended)
}

// show follows a search: results on out, progress on progress.
func show(out, progress io.Writer, launched search.Search, events <-chan search.Event) {
	fmt.Fprintf(out, "search %s: %d parameters, population %d\n", launched.ID, len(launched.Parameters), launched.Spec.Population)
	bar := progressbar.NewOptions(launched.Spec.Trials, progressbar.OptionSetWriter(progress),
		progressbar.OptionSetDescription("trials"), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(200*time.Millisecond))
	for e := range events {
		switch e.Type {
		case search.TrialEnded:
			_ = bar.Add(1)
		case search.GenerationEnd:
			_ = bar.Clear()
			g := e.Generation
			fmt.Fprintf(out, "generation %3d  best %.3f  mean %.3f  sigma %.3f  failed %d\n", g.Generation, g.Best, g.Mean, g.Sigma, g.Failures)
		case search.Validated:
			_ = bar.Clear()
			fmt.Fprintln(out, finalistLine(*e.Finalist))
		case search.StateChanged:
			if e.State == search.Validating || e.State == search.Testing {
				_ = bar.Finish()
				fmt.Fprintf(out, "%s\n", e.State)
			}
		}
	}
	_ = bar.Finish()
}

// finalistLine tells how a candidate did on the validation problems.
func finalistLine(f search.Finalist) string {
	name := "final mean"
	if f.Trial != nil {
		name = fmt.Sprintf("trial %d", *f.Trial)
	}
	if f.Validation == nil {
		return fmt.Sprintf("%-12s failed: %s", name, f.Failure)
	}
	return fmt.Sprintf("%-12s validation %.1f ± %.1f", name, 100*f.Validation.Accuracy, 100*f.Validation.StdErr)
}

// showWinner prints the table of scores and the recipe.
func showWinner(out io.Writer, s search.Search) error {
	table := newScoreTable(out)
	for _, row := range s.Scores {
		table.row(row.Name, row.Score, cmp.Or(row.Failure, row.Note))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	recipe, err := json.MarshalIndent(s.Winner.Recipe, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwinner: %s\n%s\n", s.Winner.Model, recipe)
	return nil
}
