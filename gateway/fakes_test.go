package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// epoch is when everything in these tests was made.
var epoch = time.Unix(1_700_000_000, 0)

// fakeCatalog holds names without models.
type fakeCatalog struct {
	mu      sync.Mutex
	entries []catalog.Entry
	recipes []store.Recipe
	aliases []store.Alias
	card    catalog.Card                                 // of whatever is no source
	acquire func(ctx context.Context, name string) error // runs before Acquire answers
	words   func() error                                 // runs before Words answers
	export  func(ctx context.Context, id string, o catalog.ExportOptions) error
	differ  bool // the models have different tokenizers
	seeing  bool // templates have idMark where pictures stand

	rollbacks []catalog.Rollback // what was asked for
}

func newFakeCatalog() *fakeCatalog {
	return &fakeCatalog{entries: []catalog.Entry{
		{ID: "base", Kind: catalog.Source, Created: epoch, State: catalog.Ready, Bytes: 1000},
		{ID: "org/model", Kind: catalog.Source, Created: epoch, State: catalog.Unloaded},
		{ID: "broken", Kind: catalog.Source, Created: epoch, State: catalog.Failed, Error: "model.safetensors is cut short"},
		{ID: "best", Kind: catalog.Alias, Target: "recipe-00", Created: epoch, State: catalog.Ready},
	}}
}

func (f *fakeCatalog) List(context.Context) ([]catalog.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries), nil
}

func (f *fakeCatalog) Get(_ context.Context, name string) (catalog.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if e.ID == name {
			return e, nil
		}
	}
	if name == "twins" {
		return catalog.Entry{}, fault.New(fault.Conflict, "recipes recipe-02 and recipe-03 are both called %q", name)
	}
	return catalog.Entry{}, fault.New(fault.NotFound, "no model is called %q", name)
}

func (f *fakeCatalog) Card(ctx context.Context, name string) (catalog.Card, error) {
	e, err := f.Get(ctx, name)
	if err != nil {
		return catalog.Card{}, err
	}
	if e.Kind == catalog.Source {
		return catalog.Card{Entry: e, Digest: "sha256:" + e.ID}, nil
	}
	return f.card, nil
}

func (f *fakeCatalog) Acquire(ctx context.Context, name string) (*catalog.Lease, error) {
	e, err := f.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if f.acquire != nil {
		if err := f.acquire(ctx, name); err != nil {
			return nil, err
		}
	}
	if e.State == catalog.Failed {
		return nil, fault.New(fault.Damaged, "%s", e.Error)
	}
	return &catalog.Lease{Entry: e, Model: &infer.Model{Name: name, Weights: hollow(), Tokenizer: miniature()}}, nil
}

func (f *fakeCatalog) Words(ctx context.Context, name string) (catalog.Words, error) {
	e, err := f.Get(ctx, name)
	if err != nil {
		return catalog.Words{}, err
	}
	if f.words != nil {
		if err := f.words(); err != nil {
			return catalog.Words{}, err
		}
	}
	template := miniatureTemplate()
	if f.seeing {
		template = template.Seeing(idMark)
	}
	return catalog.Words{Entry: e, Config: hollow().Config(), Tokenizer: miniature(), Template: template}, nil
}

func (f *fakeCatalog) CommonWords(ctx context.Context) (catalog.Words, error) {
	if f.differ {
		return catalog.Words{}, fault.New(fault.Conflict, "the models base and org/model have different tokenizers or chat templates")
	}
	return f.Words(ctx, "base")
}

func (f *fakeCatalog) Load(ctx context.Context, name string, pinned bool) (catalog.Entry, error) {
	return f.change(ctx, name, func(e *catalog.Entry) { e.State, e.Pinned = catalog.Ready, pinned })
}

func (f *fakeCatalog) Unload(ctx context.Context, name string) (catalog.Entry, error) {
	return f.change(ctx, name, func(e *catalog.Entry) { e.State, e.Pinned = catalog.Unloaded, false })
}

func (f *fakeCatalog) change(ctx context.Context, name string, change func(*catalog.Entry)) (catalog.Entry, error) {
	if _, err := f.Get(ctx, name); err != nil {
		return catalog.Entry{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.entries, func(e catalog.Entry) bool { return e.ID == name })
	change(&f.entries[i])
	return f.entries[i], nil
}

// miniature is the tokenizer of the shipped models, so that tokens have texts.
var miniature = sync.OnceValue(func() *tokenizer.Tokenizer {
	t, err := tokenizer.Load("../zoo/models/base")
	if err != nil {
		panic(err) // it is in the repository
	}
	return t
})

// miniatureTemplate is the chat template of the shipped models.
var miniatureTemplate = sync.OnceValue(func() *chat.Template {
	t, err := chat.Load("../zoo/models/base", miniature())
	if err != nil {
		panic(err) // it is in the repository
	}
	return t
})

// hollow are the weights of a model of no blocks, which says how wide its
// vectors are.
var hollow = sync.OnceValue(func() *infer.Weights {
	config := checkpoint.Config{ModelType: "mistral", VocabSize: 640, HiddenSize: 4, MaxPositionEmbeddings: 512}
	var all []*tensors.Tensor
	for _, p := range arch.Params(config) {
		all = append(all, tensors.FromShape(shapes.Make(dtypes.Float32, p.Shape...)))
	}
	w, err := infer.NewWeights(config, new(device.Device), all)
	if err != nil {
		panic(err) // the shapes are those of the config
	}
	return w
})

func (f *fakeCatalog) Fit(context.Context, merge.Recipe) (checkpoint.Config, error) {
	return checkpoint.Config{NumHiddenLayers: 4}, nil
}

func (f *fakeCatalog) PutRecipe(_ context.Context, name string, r merge.Recipe) (store.Recipe, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range r.Sources {
		if s.Model == "other-shape" {
			return store.Recipe{}, fault.Wrap(&merge.Misfit{Problems: []merge.Problem{
				{Kind: merge.KindShape, Model: s.Model, Field: "hidden_size", Message: "hidden sizes 8 and 16"},
				{Kind: merge.KindVocabulary, Model: s.Model, Message: "vocabularies 10 and 20"},
			}}, fault.Unfit, "the sources do not fit together")
		}
	}
	body, err := r.Canonical()
	if err != nil {
		return store.Recipe{}, err
	}
	stored := store.Recipe{ID: "recipe-00", Name: name, Body: body, Digest: "sha256:00", CreatedAt: epoch}
	f.recipes = append(f.recipes, stored)
	return stored, nil
}

func (f *fakeCatalog) UseRecipe(ctx context.Context, r merge.Recipe) (store.Recipe, error) {
	return f.PutRecipe(ctx, "", r)
}

func (f *fakeCatalog) GetRecipe(_ context.Context, id string) (store.Recipe, error) {
	for _, r := range f.recipes {
		if id == r.ID || id == r.Digest || id != "" && id == r.Name {
			return r, nil
		}
	}
	return store.Recipe{}, fault.New(fault.NotFound, "no recipe has the id %q", id)
}

func (f *fakeCatalog) ListRecipes(context.Context) ([]store.Recipe, error) { return f.recipes, nil }

func (f *fakeCatalog) DeleteRecipe(ctx context.Context, id string) error {
	if _, err := f.GetRecipe(ctx, id); err != nil {
		return err
	}
	f.recipes = nil
	return nil
}

func (f *fakeCatalog) Export(ctx context.Context, id string, o catalog.ExportOptions) error {
	return f.export(ctx, id, o)
}

func (f *fakeCatalog) CheckAlias(_ context.Context, alias string) error {
	if alias == "base" {
		return fault.New(fault.Conflict, "a source is called base")
	}
	return nil
}

func (f *fakeCatalog) SetAlias(ctx context.Context, alias, target string, only ...catalog.Condition) (store.Alias, error) {
	if _, err := f.Get(ctx, target); err != nil {
		return store.Alias{}, err
	}
	if err := f.CheckAlias(ctx, alias); err != nil {
		return store.Alias{}, err
	}
	return f.moveAlias(ctx, alias, only, func(store.Alias) string { return target })
}

func (f *fakeCatalog) RollbackAlias(ctx context.Context, alias string, to catalog.Rollback, only ...catalog.Condition) (store.Alias, error) {
	if _, err := f.GetAlias(ctx, alias); err != nil {
		return store.Alias{}, err
	}
	f.rollbacks = append(f.rollbacks, to)
	return f.moveAlias(ctx, alias, only, func(now store.Alias) string {
		if to.Target != "" {
			return to.Target
		}
		return now.History[len(now.History)-max(to.Steps, 1)].Target
	})
}

func (f *fakeCatalog) moveAlias(ctx context.Context, alias string, only []catalog.Condition, pick func(now store.Alias) string) (store.Alias, error) {
	now, err := f.GetAlias(ctx, alias)
	if err != nil {
		now = store.Alias{Name: alias}
	}
	for _, check := range only {
		if err := check(now); err != nil {
			return store.Alias{}, err
		}
	}
	next := store.Alias{Name: alias, Target: pick(now), UpdatedAt: epoch, History: now.History}
	if now.Target != "" {
		next.History = append(slices.Clone(now.History), store.AliasChange{Target: now.Target, At: epoch})
	}
	f.aliases = slices.DeleteFunc(f.aliases, func(a store.Alias) bool { return a.Name == alias })
	f.aliases = append(f.aliases, next)
	return next, nil
}

func (f *fakeCatalog) GetAlias(_ context.Context, alias string) (store.Alias, error) {
	for _, a := range f.aliases {
		if a.Name == alias {
			return a, nil
		}
	}
	return store.Alias{}, fault.New(fault.NotFound, "no alias is called %q", alias)
}

func (f *fakeCatalog) ListAliases(context.Context) ([]store.Alias, error) { return f.aliases, nil }

func (f *fakeCatalog) DeleteAlias(ctx context.Context, alias string) error {
	_, err := f.GetAlias(ctx, alias)
	f.aliases = nil
	return err
}

// fakeEngine plays a script: the chunks of every stream, in order.
type fakeEngine struct {
	script func(ctx context.Context, r infer.Request, send func(infer.Chunk) bool)
	refuse error // what Stream returns at once

	beams func(infer.Request, infer.BeamOptions) []infer.Result
	embed func(ctx context.Context, prompts [][]int32, pooling infer.Pooling) ([][]float32, error)

	context int // of every model, at most

	mu       sync.Mutex
	asked    []infer.BeamOptions
	requests []infer.Request
	running  int
}

func (f *fakeEngine) Stream(ctx context.Context, _ *infer.Model, r infer.Request) (<-chan infer.Chunk, error) {
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.running++
	f.mu.Unlock()
	out := make(chan infer.Chunk)
	go func() {
		defer close(out)
		defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
		f.script(ctx, r, func(c infer.Chunk) bool {
			select {
			case out <- c:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return out, nil
}

func (f *fakeEngine) Beam(_ context.Context, _ *infer.Model, r infer.Request, o infer.BeamOptions) ([]infer.Result, error) {
	f.asked = append(f.asked, o)
	return f.beams(r, o), nil
}

func (f *fakeEngine) Embed(ctx context.Context, _ *infer.Model, prompts [][]int32, pooling infer.Pooling) ([][]float32, error) {
	if f.embed != nil {
		return f.embed(ctx, prompts, pooling)
	}
	out := make([][]float32, len(prompts))
	for i, p := range prompts {
		out[i] = []float32{3, 4, float32(len(p)), 0}
	}
	return out, nil
}

func (f *fakeEngine) Context(c checkpoint.Config) int { return min(c.MaxPositionEmbeddings, f.context) }

func (f *fakeEngine) seen() []infer.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

func (f *fakeEngine) streams() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// say is a script that says the words and stops.
func say(words ...string) func(context.Context, infer.Request, func(infer.Chunk) bool) {
	return func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		for i, w := range words {
			if !send(infer.Chunk{Text: w, Tokens: i + 1}) {
				return
			}
		}
		send(infer.Chunk{Tokens: len(words) + 1, FinishReason: "stop"})
	}
}

// sayPrompt is a script that repeats the prompt's letters.
func sayPrompt(_ context.Context, r infer.Request, send func(infer.Chunk) bool) {
	send(infer.Chunk{Text: string(r.Prompt), Tokens: 1})
	send(infer.Chunk{Tokens: 2, FinishReason: "length"})
}

func pointer[T any](v T) *T { return &v }
