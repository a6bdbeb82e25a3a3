package catalog

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/lru"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// Store is what a catalog needs of a store.Store.
type Store interface {
	PutRecipe(ctx context.Context, r store.Recipe) (kept store.Recipe, err error)
	GetRecipe(ctx context.Context, id string) (store.Recipe, error)
	ListRecipes(ctx context.Context) ([]store.Recipe, error)
	DeleteRecipe(ctx context.Context, id string) error
	PutAlias(ctx context.Context, name string, move store.Move, at time.Time) (store.Alias, error)
	GetAlias(ctx context.Context, name string) (store.Alias, error)
	ListAliases(ctx context.Context) ([]store.Alias, error)
	DeleteAlias(ctx context.Context, name string) error
}

// Merger is what a catalog needs of a merge.Executor.
type Merger interface {
	Merge(ctx context.Context, r merge.Recipe, sources map[string]*infer.Weights) (*infer.Weights, error)
	MergeFrom(ctx context.Context, r merge.Recipe, models map[string]merge.Model, o merge.StreamOptions) (*infer.Weights, error)
	Export(ctx context.Context, dir string, r merge.Recipe, w *infer.Weights, o merge.ExportOptions) error
	ExportFrom(ctx context.Context, dir string, r merge.Recipe, models map[string]merge.Model, o merge.ExportOptions) error
	Forget(w *infer.Weights)
}

// Options are what a Catalog is made of.
type Options struct {
	Device    *device.Device
	Executor  Merger
	Store     Store
	ModelsDir string // its subfolders are the sources, one or two levels deep
	// Memory is the device's budget, which weights share with KV caches.
	Memory *device.Memory
	// Forget is told of weights before they are freed: nobody uses them any more,
	// and what others keep of them has to go. May be nil.
	Forget func(*infer.Weights)
	Logger *slog.Logger // slog.Default if nil
	// TTL is how long a model stays that nobody asks for. 0: until memory is short.
	TTL time.Duration
	// Observer is told of models that are made and freed; may be nil.
	Observer Observer
	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// Catalog gives models by name. It is safe for concurrent use.
type Catalog struct {
	dev      *device.Device
	executor Merger
	store    Store
	dir      string
	log      *slog.Logger
	now      func() time.Time
	observer Observer

	ctx     context.Context // of everything that is being made; ends with Close
	stop    context.CancelFunc
	working sync.WaitGroup

	residents *residents
	makings   makings
	words     *lru.Cache[string, *mergedWords]

	mu      sync.Mutex         // also orders what begins against Close
	sources map[string]*source // those that were asked for, by name
}

// Open opens a folder of models. Nothing is loaded before it is asked for.
func Open(ctx context.Context, o Options) (*Catalog, error) {
	if o.Device == nil || o.Executor == nil || o.Store == nil || o.Memory == nil {
		return nil, fault.New(fault.Internal, "a catalog needs a device, its memory, an executor and a store")
	}
	if total, _ := o.Memory.Usage(); total <= 0 {
		return nil, fault.Bad("budget", "a memory budget of %d bytes has room for nothing", total)
	}
	info, err := os.Stat(o.ModelsDir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the models folder can't be read")
	}
	if !info.IsDir() {
		return nil, fault.Bad("models", "%s is not a folder", o.ModelsDir)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Catalog{
		dev: o.Device, executor: o.Executor, store: o.Store, dir: o.ModelsDir, log: o.Logger, now: o.Now, observer: o.Observer,
		sources: map[string]*source{}, words: lru.New[string, *mergedWords](maxMergedWords),
	}
	c.residents = newResidents(o.Memory, o.Now, func(r *resident) {
		if r.model.Weights == nil { // a vision part
			r.model.Vision.Free()
			return
		}
		c.executor.Forget(r.model.Weights)
		if o.Forget != nil {
			o.Forget(r.model.Weights)
		}
		r.model.Weights.Free()
		if r.key != "" {
			c.log.Info("model unloaded", "model", r.key, "bytes", r.bytes)
			c.observer.Unloaded()
		}
	})
	c.ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	if o.TTL > 0 {
		c.working.Go(func() { c.expire(o.TTL) })
	}
	return c, nil
}

// Close stops what is being made and frees all weights that nobody holds.
func (c *Catalog) Close() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.working.Wait()
	c.residents.dropAll()
}

// Budget gives the device's memory, and what weights and caches take of it now.
func (c *Catalog) Budget() (total, used int64) { return c.residents.memory.Usage() }

// Resident gives how many models are on the device, merges of a search that no
// name leads to aside, and the bytes that their weights take.
func (c *Catalog) Resident() (models int, bytes int64) { return c.residents.count() }

// List gives every name: sources, recipes and aliases, each in order of name.
func (c *Catalog) List(ctx context.Context) ([]Entry, error) {
	found, err := c.scan()
	if err != nil {
		return nil, err
	}
	recipes, err := c.store.ListRecipes(ctx)
	if err != nil {
		return nil, err
	}
	aliases, err := c.store.ListAliases(ctx)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, f := range found {
		all = append(all, c.sourceEntry(f))
	}
	slices.SortFunc(recipes, func(a, b store.Recipe) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range recipes {
		all = append(all, c.recipeEntry(r))
	}
	sees := map[string]bool{}
	for _, e := range all {
		sees[e.ID] = e.Sees
	}
	for _, a := range aliases {
		e := c.aliasEntry(a)
		e.Sees = sees[a.Target]
		all = append(all, e)
	}
	return all, nil
}

// Get gives one name: a source, a recipe by id, digest or name, or an alias.
func (c *Catalog) Get(ctx context.Context, name string) (Entry, error) {
	r, err := c.resolve(ctx, name)
	return r.entry, err
}

func (c *Catalog) sourceEntry(f found) Entry {
	e := Entry{ID: f.name, Kind: Source, Created: f.created, Sees: c.sees(f)}
	c.residents.describe(f.name, &e)
	return e
}

func (c *Catalog) recipeEntry(r store.Recipe) Entry {
	e := Entry{ID: r.ID, Kind: Recipe, Name: r.Name, Created: r.CreatedAt, Sees: recipeSees(r)}
	c.residents.describe(r.ID, &e)
	return e
}

func (c *Catalog) aliasEntry(a store.Alias) Entry {
	e := Entry{ID: a.Name, Kind: Alias, Target: a.Target, Created: a.UpdatedAt}
	c.residents.describe(a.Target, &e)
	return e
}
