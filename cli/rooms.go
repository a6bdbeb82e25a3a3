package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/judge"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/store"
)

// settings are the flags that every command with models shares.
type settings struct {
	Models       string
	Tasks        string
	Data         string
	Redis        string
	RedisWait    time.Duration
	ClaimTTL     time.Duration
	ReplyBytes   int
	Judge        judge.Options
	WorkerTTL    time.Duration
	Backend      string
	Budget       byteSize
	TTL          time.Duration
	Slots        int
	MaxContext   int
	QueueLimit   int
	Pictures     byteSize
	Tiles        int
	TaskPictures byteSize
	LogLevel     string
	LogFormat    string

	observed observer // may be nil
}

// observer is told what the rooms do.
type observer interface {
	infer.Observer
	catalog.Observer
}

// Subjects of settings that more than one command has.
const (
	modelsSection = "Models and device"
	stateSection  = "State"
)

// bind adds the flags. logLevel is the default of --log-level: a server talks
// about its work, a command at a terminal shows its results.
func (s *settings) bind(f *pflag.FlagSet, logLevel string) {
	s.Budget, s.Pictures, s.TaskPictures = 2<<30, 256<<20, search.DefaultPictureBytes
	s.bindFile(f)
	config.Section(f, modelsSection, func(f *pflag.FlagSet) {
		f.StringVar(&s.Models, "models", "zoo/models", "folder whose subfolders are the source models (Hugging Face layout)")
		f.StringVar(&s.Tasks, "tasks", "zoo/tasks", "folder whose subfolders are the tasks that searches score on")
		f.Var(&s.TaskPictures, "task-picture-memory", "memory for the pictures of tasks as models see them; what doesn't fit is prepared anew for each trial")
		f.StringVar(&s.Backend, "backend", "xla:cpu", "GoMLX backend: xla:cpu or xla:cuda; xla:cpu,own_kernels=false leaves all to XLA")
		f.Var(&s.Budget, "budget", "device memory for weights and KV caches together")
		f.DurationVar(&s.TTL, "ttl", 0, "unload models that nobody has asked for so long, e.g. 30m (0: when memory is short)")
		f.IntVar(&s.Slots, "slots", 0, "sequences decoded together (0: the engine's default)")
		f.IntVar(&s.MaxContext, "max-context", 0, "longest prompt plus reply in tokens (0: the engine's default)")
		f.IntVar(&s.QueueLimit, "queue", 0, "requests waiting before new ones get 429 (0: the engine's default)")
		f.Var(&s.Pictures, "picture-cache", "how much of the budget what a model has made of pictures may take while nobody asks about them (0: nothing)")
		f.IntVar(&s.Tiles, "max-picture-tiles", 0, "tiles that the pictures of one request may be cut into (0: the engine's default)")
	})
	config.Section(f, stateSection, s.bindState)
	config.Section(f, stateSection, func(f *pflag.FlagSet) {
		f.DurationVar(&s.ClaimTTL, "claim-ttl", 15*time.Second, "how long a search whose process has died waits before another gateway on the same Redis continues it")
		f.IntVar(&s.ReplyBytes, "trial-reply-bytes", search.DefaultReplyBytes, "how much of the replies of each trial of a search is kept with its samples (-1: nothing)")
	})
	config.Section(f, "Judge of replies", s.bindJudge)
	config.Section(f, "Log", func(f *pflag.FlagSet) {
		f.StringVar(&s.LogLevel, "log-level", logLevel, "debug, info, warn or error")
		f.StringVar(&s.LogFormat, "log-format", "text", "text or json")
	})
}

// bindFile adds the flag that names the configuration file; see configure.
func (s *settings) bindFile(f *pflag.FlagSet) {
	f.String(config.FileFlag, "", "read settings from this YAML file; flags and the environment win over it (see mergeway config)")
}

// bindState adds the flags of commands that need only what is stored.
func (s *settings) bindState(f *pflag.FlagSet) {
	f.StringVar(&s.Data, "data", ".mergeway", "folder for recipes, aliases, keys, searches, trials and stored responses")
	f.StringVar(&s.Redis, "redis", "", "keep them in Redis instead, e.g. redis://localhost:6379/0; gateways on one Redis share them, and the counts of limits")
	f.DurationVar(&s.RedisWait, "redis-wait", 0, "how long to wait at start for a Redis that can't be reached (0: fail at once)")
}

// logger makes the process's logger.
func (s *settings) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level: %q is not debug, info, warn or error", s.LogLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	switch s.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format: %q is not text or json", s.LogFormat)}
}

// rooms are the opened parts of the system, wired together.
type rooms struct {
	log     *slog.Logger
	device  *device.Device
	store   store.Store
	catalog *catalog.Catalog
	engine  *infer.Engine
	lab     *search.CatalogLab
	closers []func()
}

// open opens everything that serves, merges and evaluates models. On failure
// it closes what it had opened.
func (s *settings) open(ctx context.Context, stderr io.Writer) (_ *rooms, err error) {
	r := &rooms{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.log, err = s.logger(stderr); err != nil {
		return nil, err
	}
	if r.store, err = s.openStore(ctx, r.log); err != nil {
		return nil, err
	}
	r.onClose(func() { _ = r.store.Close() })
	if r.device, err = device.Open(device.Options{Backend: s.Backend, Log: r.log}); err != nil {
		return nil, fmt.Errorf("open the device: %w", err)
	}
	r.onClose(r.device.Close)
	// Saved prefixes and what was made of pictures are cheaper to make again than
	// models: the engine, which keeps them, is asked first for room.
	memory := device.NewMemory(int64(s.Budget))
	pictures := int64(s.Pictures)
	if pictures == 0 {
		pictures = -1
	}
	r.engine = infer.NewEngine(r.device, infer.Options{
		Slots: s.Slots, MaxContext: s.MaxContext, QueueLimit: s.QueueLimit, PictureBytes: pictures, RequestTiles: s.Tiles,
		Memory: memory, Observer: s.observed, Logger: r.log,
	})
	r.onClose(r.engine.Close) // if the catalog does not open
	executor := merge.NewExecutor(r.device)
	r.onClose(executor.Close)
	executor.KeepSpare(memory)
	r.catalog, err = catalog.Open(ctx, catalog.Options{
		Device: r.device, Executor: executor, Store: r.store,
		ModelsDir: s.Models, Memory: memory, Forget: r.engine.Forget, TTL: s.TTL, Observer: s.observed, Logger: r.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the models in %s: %w", s.Models, err)
	}
	if m, shared := r.store.(*store.Mirror); shared {
		m.OnChange(r.catalog.Changed)
	}
	r.onClose(r.catalog.Close)
	r.onClose(r.engine.Close) // before the weights go that it works with
	r.lab = search.NewCatalogLab(r.catalog, r.engine)
	r.lab.KeepPictures(int(s.TaskPictures))
	return r, nil
}

// subject gets hold of a model for an evaluation.
func (r *rooms) subject(ctx context.Context, name string) (evaluation.Subject, error) {
	s, err := r.lab.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (r *rooms) onClose(f func()) { r.closers = append(r.closers, f) }

// close closes the rooms in the opposite order of opening.
func (r *rooms) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
}
