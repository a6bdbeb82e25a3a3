package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/zoo"
)

func newZoo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "zoo",
		Short: "The miniature models and their tasks",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newZooTrain(), newZooTasks(), newZooCards())
	return cmd
}

func newZooTasks() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "Write the tasks only",
		Long:  `Writes the problems that the miniature models are scored on. The same bytes come out every time.`,
		Args:  usage(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return zoo.WriteTasks(dir) },
	}
	cmd.Flags().StringVar(&dir, "tasks", "zoo/tasks", "folder to write the tasks into")
	return cmd
}

// zooSettings are the settings of commands that make the zoo: few are flags.
func zooSettings() settings { return settings{LogFormat: "text", LogLevel: "warn", Budget: 2 << 30} }

func newZooCards() *cobra.Command {
	s := zooSettings()
	cmd := &cobra.Command{
		Use:   "cards",
		Short: "Score the miniature models and write their cards",
		Long:  `Scores the models on the test problems of every task and writes the README.md of each.`,
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return writeCards(cmd, s, nil) },
	}
	s.bindZoo(cmd)
	return cmd
}

// bindZoo adds the flags of commands that make the zoo.
func (s *settings) bindZoo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.Models, "models", "zoo/models", "folder of the models")
	f.StringVar(&s.Tasks, "tasks", "zoo/tasks", "folder of the tasks")
	f.StringVar(&s.Backend, "backend", device.DefaultBackend, "GoMLX backend: xla:cpu or xla:cuda")
}

func newZooTrain() *cobra.Command {
	s := zooSettings()
	cmd := &cobra.Command{
		Use:   "train [company...]",
		Short: "Train the miniature models",
		Long: `Trains the miniature models from generated text and pictures and fixed seeds,
scores them on the tasks, and writes their folders with a card each: all of them,
or those of the companies named, "maths" or "pictures". It takes some ten minutes
each on two cores. The models in this repository were made this way.`,
		Args:      usage(cobra.OnlyValidArgs),
		ValidArgs: zoo.Companies(),
		RunE:      func(cmd *cobra.Command, args []string) error { return trainZoo(cmd, s, args) },
	}
	s.bindZoo(cmd)
	return cmd
}

func trainZoo(cmd *cobra.Command, s settings, companies []string) error {
	began := time.Now()
	dev, err := device.Open(device.Options{Backend: s.Backend})
	if err != nil {
		return err
	}
	err = zoo.Train(cmd.Context(), zoo.Options{
		Device: dev, ModelsDir: s.Models, TasksDir: s.Tasks, Companies: companies, Progress: trainingBar(cmd.ErrOrStderr()),
	})
	dev.Close()
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "trained in %s\n", time.Since(began).Round(time.Second))
	return writeCards(cmd, s, companies)
}

// trainingBar shows the whole cast's training as one bar.
func trainingBar(w io.Writer) func(zoo.Progress) {
	var bar *progressbar.ProgressBar
	return func(p zoo.Progress) {
		if bar == nil {
			bar = progressbar.NewOptions(p.Total, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(500*time.Millisecond))
		}
		bar.Describe(fmt.Sprintf("%-10s %4d/%-4d loss %.4f", p.Member, p.Step, p.Steps, p.Loss))
		_ = bar.Set(p.Done)
	}
}

// writeCards scores the companies' members on their tasks and writes the cards.
func writeCards(cmd *cobra.Command, s settings, companies []string) error {
	data, err := os.MkdirTemp("", "mergeway-zoo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	s.Data = data
	r, err := s.open(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer r.close()
	library := task.NewLibrary(s.Tasks, task.Loader{})
	table := newScoreTable(cmd.OutOrStdout())
	for _, name := range zoo.Names(companies...) {
		scores, err := cardScores(cmd.Context(), r.lab, library, name, table)
		if err != nil {
			return fmt.Errorf("score %s: %w", name, err)
		}
		if err := zoo.WriteCard(s.Models, name, scores); err != nil {
			return err
		}
	}
	return table.Flush()
}

func cardScores(ctx context.Context, lab search.Lab, library *task.Library, name string, table scoreTable) ([]zoo.CardScore, error) {
	var scores []zoo.CardScore
	for _, taskName := range zoo.TasksOf(name) {
		t, err := library.Get(ctx, taskName)
		if err != nil {
			return nil, err
		}
		score, _, err := search.Evaluate(ctx, lab, name, t, task.Test, 0)
		if err != nil {
			return nil, err
		}
		table.row(name+" on "+taskName, &score, "")
		scores = append(scores, zoo.CardScore{
			Task: taskName, Problems: score.Problems, Accuracy: score.Accuracy, StdErr: score.StdErr,
			NumberRight: score.NumberRight, LanguageRight: score.LanguageRight,
		})
	}
	return scores, nil
}
