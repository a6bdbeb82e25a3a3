package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// serveSettings are the flags of the gateway.
type serveSettings struct {
	settings
	telemetry
	Addr           string
	APIKeys        string
	OpenAccess     bool
	AllowedOrigins string
	AllowedHosts   string
	Warm           string
	DrainTime      time.Duration
	Limits         gateway.Limits
}

func newServe(version string) *cobra.Command {
	s := &serveSettings{Limits: gateway.DefaultLimits()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models over an OpenAI-style API",
		Long: `Serves every model below --models, and every merge of them, over an OpenAI-style
API, and runs the searches that are launched through it.

It binds to loopback and then needs no keys. To be reached from elsewhere it
needs --addr and --api-keys (or --open-access, where the network itself is
trusted). Every flag can be set by environment: --max-context is
MERGEWAY_MAX_CONTEXT; keys are better given as MERGEWAY_API_KEYS.

On SIGTERM it refuses new generations, lets those that run come to their end for
--drain-timeout, and interrupts searches; they go on at the next start.`,
		Example: `  mergeway serve --models zoo/models --tasks zoo/tasks
  MERGEWAY_API_KEYS=k1,k2 mergeway serve --addr 0.0.0.0:8080 --redis redis://db:6379/0`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd, version) },
	}
	s.settings.bind(cmd, "info")
	f := cmd.Flags()
	s.telemetry.bind(f)
	f.StringVar(&s.Addr, "addr", "127.0.0.1:8080", "address to listen on")
	f.StringVar(&s.APIKeys, "api-keys", "", "keys that open the API, separated by commas; none: only this machine is answered")
	f.BoolVar(&s.OpenAccess, "open-access", false, "answer any machine without a key")
	f.StringVar(&s.AllowedOrigins, "allowed-origins", "", "web origins whose pages may use the API, separated by commas; * for all")
	f.StringVar(&s.AllowedHosts, "allowed-hosts", "", "names this server may be called by while it has no keys, separated by commas; * for all")
	f.StringVar(&s.Warm, "warm", "", "models to load and compile for at start, separated by commas; they stay loaded")
	f.DurationVar(&s.DrainTime, "drain-timeout", 30*time.Second, "time for running requests to end at shutdown")
	for _, limit := range s.Limits.Settings() {
		if limit.Number != nil {
			f.IntVar(limit.Number, limit.Key, *limit.Number, limit.Help)
		} else {
			f.DurationVar(limit.Duration, limit.Key, *limit.Duration, limit.Help)
		}
	}
	return cmd
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
	s.metrics.Watch(r.engine, r.catalog)
	if err := s.telemetry.serve(r.log); err != nil {
		return err
	}
	tasks := task.NewLibrary(s.Tasks)
	searches, err := search.NewService(search.Options{Store: r.store, Lab: r.lab, Tasks: tasks, Logger: r.log})
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{
		Catalog: r.catalog, Engine: r.engine, Searches: searches, Tasks: tasks, Logger: r.log,
		Limits: s.Limits, Version: version,
		APIKeys: splitList(s.APIKeys), OpenAccess: s.OpenAccess,
		AllowedOrigins: splitList(s.AllowedOrigins), AllowedHosts: splitList(s.AllowedHosts),
		Ready:    r.store.Ping,
		Observer: s.metrics, Metrics: s.metrics.Handler(), Tracer: s.tracer(), LogPrompts: s.LogPrompts,
	})
	if err != nil {
		return err
	}
	if !s.OpenAccess && len(splitList(s.APIKeys)) == 0 && !isLoopback(listener.Addr()) {
		r.log.Warn("no API keys: other machines are refused; set MERGEWAY_API_KEYS, or --open-access")
	}
	var warming sync.WaitGroup
	defer warming.Wait()
	for _, name := range splitList(s.Warm) {
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
	r.log.Info("serving", "url", "http://"+listener.Addr().String(), "models", s.Models, "backend", s.Backend, "version", version, "pid", os.Getpid())

	// Requests outlive ctx: they end when they are drained, not at the signal.
	requests, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	server := g.Server(requests)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.shutDown(r, g, server, searches, abort)
}

// shutDown drains the gateway, for DrainTime at most, while searches are saved.
func (s *serveSettings) shutDown(r *rooms, g *gateway.Gateway, server *http.Server, searches *search.Service, abort context.CancelFunc) error {
	r.log.Info("shutting down", "drain_timeout", s.DrainTime)
	ctx, cancel := context.WithTimeout(context.Background(), s.DrainTime)
	defer cancel()
	g.Drain()
	saved := make(chan error, 1)
	go func() { saved <- searches.Stop(ctx) }()
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

// isLoopback tells whether only this machine can connect to an address.
func isLoopback(a net.Addr) bool {
	addr, err := netip.ParseAddrPort(a.String())
	return err == nil && addr.Addr().Unmap().IsLoopback() && !strings.HasPrefix(a.String(), "0.0.0.0")
}
