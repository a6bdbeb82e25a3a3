package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/gateway/fetch"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/store"
)

func newServe(version string) *cobra.Command {
	s := newServeSettings()
	flags := s.flags()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models over an OpenAI-style API",
		Long: `Serves every model below --models, and every merge of them, over an OpenAI-style
API, and runs the searches that are launched through it.

It binds to loopback and then needs no keys. To be reached from elsewhere it
needs --addr and keys: those of --api-keys may do everything, those made by
"mergeway key create" have scopes and limits. (--open-access does without, where
the network itself is trusted.)

Every flag is also a key of the file given as --config, and an environment
variable: --max-context is max-context there, and MERGEWAY_MAX_CONTEXT. "mergeway
config" shows what is in effect and why.

On SIGTERM it refuses new generations, lets those that run come to their end for
--drain-timeout, and interrupts searches; they go on at the next start, or on
another gateway with the same --redis.`,
		Example: `  mergeway serve --models zoo/models --tasks zoo/tasks
  mergeway serve --config mergeway.yaml
  MERGEWAY_API_KEYS=k1,k2 mergeway serve --addr 0.0.0.0:8080 --redis redis://db:6379/0`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(flags); err != nil {
				return err
			}
			return s.run(cmd, version)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	return bySubject(cmd)
}

func (s *serveSettings) run(cmd *cobra.Command, version string) error {
	ctx := cmd.Context()
	// Listening first: a port that is taken is known before anything is opened.
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen on --addr: %w", err)
	}
	defer listener.Close()
	if err := s.telemetry.open(ctx, version); err != nil {
		return err
	}
	defer s.telemetry.close()
	s.observed = s.metrics
	r, err := s.settings.open(ctx, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer r.close()
	cert, err := s.openTLS(ctx, r.log)
	if err != nil {
		return err
	}
	ring, limiter, err := s.openAccess(ctx, r)
	if err != nil {
		return err
	}
	s.metrics.Watch(r.engine, r.catalog)
	if m, shared := r.store.(*store.Mirror); shared {
		s.metrics.WatchShared(func() (bool, int64) {
			status := m.Status()
			return status.Lost == nil, status.Version
		})
	}
	if err := s.telemetry.serve(r.log); err != nil {
		return err
	}
	tasks, err := s.shelf(r, s.Limits.Tasks)
	if err != nil {
		return err
	}
	lab, err := s.openLab(ctx, r, version)
	if err != nil {
		return fmt.Errorf("join the workers: %w", err)
	}
	searches, err := search.NewService(search.Options{Store: r.store, Lab: lab, Tasks: tasks, ClaimTTL: s.ClaimTTL, ReplyBytes: s.ReplyBytes, Logger: r.log})
	if err != nil {
		return err
	}
	evaluations, err := evaluation.NewService(evaluation.Options{
		Store: r.store, Tasks: tasks, Open: r.subject, Logger: r.log,
		MaxConcurrent: s.Limits.Evaluations, QueueLimit: s.Limits.QueuedEvals, Keep: s.Limits.KeptEvals, ReplyBytes: s.Limits.EvalReplies,
	})
	if err != nil {
		return err
	}
	pictures, err := fetch.New(s.fetching())
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{
		Catalog: r.catalog, Engine: r.engine, Searches: searches, Evaluations: evaluations, Tasks: tasks, Workers: workersOf(lab), Logger: r.log,
		Limits: s.Limits, Version: version, DefaultModel: s.DefaultModel, Responses: r.store, ExportsDir: s.Exports,
		APIKeys: s.APIKeys, Keys: ring, Quota: limiter, OpenAccess: s.OpenAccess, ClientLimits: s.ClientLimits,
		AllowedOrigins: s.AllowedOrigins, AllowedHosts: s.AllowedHosts, Pictures: pictures,
		Parts:    r.parts,
		Observer: s.metrics, Metrics: s.metrics.Handler(), Tracer: s.tracer(), LogPrompts: s.LogPrompts,
	})
	if err != nil {
		return err
	}
	if !s.OpenAccess && len(s.APIKeys) == 0 && ring.Empty() && !isLoopback(listener.Addr()) {
		r.log.Warn("no API keys: other machines are refused; set MERGEWAY_API_KEYS, or --open-access, or see mergeway key")
	}
	var warming sync.WaitGroup
	defer warming.Wait()
	for _, name := range s.Warm {
		lease, err := r.catalog.Acquire(ctx, name)
		if err != nil {
			return fmt.Errorf("--warm %s: %w", name, err)
		}
		defer lease.Release()
		warming.Go(func() { // the server answers meanwhile
			if err := r.engine.Warm(ctx, lease.Model.Weights); err != nil && ctx.Err() == nil {
				r.log.Warn("programs were not compiled ahead", "model", name, "error", err)
			}
		})
	}
	if err := searches.Start(ctx); err != nil {
		return fmt.Errorf("continue searches: %w", err)
	}
	if err := g.ContinueExports(ctx); err != nil {
		return fmt.Errorf("continue exports: %w", err)
	}
	r.log.Info("serving", "url", urlOf(listener, cert), "models", s.Models, "backend", s.Backend, "version", version, "pid", os.Getpid())

	// Requests outlive ctx: they end when they are drained, not at the signal.
	requests, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	server := g.Server(requests)
	failed := make(chan error, 1)
	go func() { failed <- serveOn(server, listener, cert) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.shutDown(r, g, server, func(ctx context.Context) error { return errors.Join(evaluations.Stop(ctx), searches.Stop(ctx)) }, abort)
}

// shutDown drains the gateway, for DrainTime at most, while searches and evaluations
// are saved.
func (s *serveSettings) shutDown(r *rooms, g *gateway.Gateway, server *http.Server, save func(ctx context.Context) error, abort context.CancelFunc) error {
	r.log.Info("shutting down", "drain_timeout", s.DrainTime)
	ctx, cancel := context.WithTimeout(context.Background(), s.DrainTime)
	defer cancel()
	g.Drain()
	saved := make(chan error, 1)
	go func() { saved <- save(ctx) }()
	if err := server.Shutdown(ctx); err != nil {
		r.log.Warn("requests were cut off", "error", err)
		abort()
		_ = server.Close()
	}
	if err := <-saved; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("save the searches: %w", err)
	}
	return nil
}
