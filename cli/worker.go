package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/fleet"
)

func newWorker(version string) *cobra.Command {
	var s settings
	var atOnce int
	cmd := &cobra.Command{
		Use:   "worker --redis URL",
		Short: "Try the candidates of a gateway's searches on this machine",
		Long: `Joins the gateways on a Redis and tries candidates of their searches: a recipe
comes in, the verdict on each problem goes out. It needs the same models and tasks
as they have, the same program, and a device that computes alike: with others the
verdicts would be others, and it says so and ends. It serves nobody.

Workers may come and go at any time. A trial whose worker dies or hangs is tried by
another after --worker-ttl, and comes to the same.`,
		Example: `  mergeway worker --redis redis://db:6379/0 --models /models --budget 20GiB`,
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.Redis == "" {
				return usageError{fault.Bad("redis", "a worker meets its gateways in Redis: give --redis")}
			}
			if atOnce < 1 || atOnce > fleet.MaxSlots {
				return usageError{fmt.Errorf("--trials-at-once is %d: it must be 1 to %d", atOnce, fleet.MaxSlots)}
			}
			if s.WorkerTTL < fleet.MinTTL {
				return usageError{fmt.Errorf("--worker-ttl is %v: at least %v", s.WorkerTTL, fleet.MinTTL)}
			}
			ctx := cmd.Context()
			r, err := s.open(ctx, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer r.close()
			client, err := s.openFleet(r)
			if err != nil {
				return err
			}
			r.log.Info("reading the models", "models", s.Models)
			self := r.member(version)
			self.Slots = atOnce
			if self.Models, err = r.catalog.SourceDigests(ctx); err != nil {
				return err
			}
			tasks, err := s.shelf(r, 0)
			if err != nil {
				return err
			}
			worker, err := fleet.NewWorker(fleet.WorkerOptions{
				Lab: r.lab, Tasks: tasks, Models: r.catalog, Redis: client, Self: self, Logger: r.log, TTL: s.WorkerTTL,
			})
			if err != nil {
				return err
			}
			return worker.Run(ctx)
		},
	}
	f := cmd.Flags()
	s.bind(f, "info")
	s.bindFleet(f)
	config.Section(f, modelsSection, func(f *pflag.FlagSet) {
		f.IntVar(&atOnce, "trials-at-once", 1, "candidates tried together; more than one only where the device has room for their weights and is not busy with one")
	})
	return bySubject(cmd)
}
