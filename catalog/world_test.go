package catalog_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// tinyConfig is the shape of the models in these tests.
func tinyConfig() checkpoint.Config {
	return checkpoint.Config{
		ModelType: "mistral", VocabSize: 24, HiddenSize: 8, IntermediateSize: 12, NumHiddenLayers: 2,
		NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 4, MaxPositionEmbeddings: 32,
		RMSNormEps: 1e-5, RopeTheta: 10000, HiddenAct: "silu", DType: dtypes.Float32,
		BOSTokenID: 1, EOSTokenIDs: []int{2},
	}
}

// tinyBytes is the memory that one of them takes.
func tinyBytes() int64 {
	var n int64
	for _, p := range arch.Params(tinyConfig()) {
		size := int64(4)
		for _, d := range p.Shape {
			size *= int64(d)
		}
		n += size
	}
	return n
}

// writeModel writes a model folder with random weights.
func writeModel(t *testing.T, dir string, c checkpoint.Config, seed uint64) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	config, err := c.JSON()
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "config.json"), config)
	r := rand.New(rand.NewPCG(seed, 1))
	var all []checkpoint.Tensor
	for _, p := range arch.Params(c) {
		info := checkpoint.TensorInfo{Name: p.Name, DType: dtypes.Float32, Shape: p.Shape}
		var data []byte
		for range info.Size() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(r.NormFloat64())))
		}
		all = append(all, checkpoint.Tensor{TensorInfo: info, Data: data})
	}
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(dir, "model.safetensors"), all, nil))
	writeTokenizer(t, dir, c.VocabSize)
}

// writeTokenizer writes a tokenizer of so many words, and a chat template.
func writeTokenizer(t *testing.T, dir string, words int) {
	t.Helper()
	vocab := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	for i := 3; i < words; i++ {
		vocab[fmt.Sprintf("w%d", i)] = i
	}
	data, err := json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": []any{}, "pre_tokenizer": map[string]any{"type": "Whitespace"},
		"model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
	})
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "tokenizer.json"), data)
	writeFile(t, filepath.Join(dir, "tokenizer_config.json"), []byte(`{"bos_token": "<s>", "eos_token": "</s>",
		"chat_template": "{% for m in messages %}{{ m['content'] }} {% endfor %}"}`))
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// merger is a real executor that counts, and can be made to wait or to fail.
type merger struct {
	*merge.Executor
	merges  atomic.Int64
	streams atomic.Int64  // of the merges: those of models that need not be on the device
	gate    chan struct{} // if not nil, a merge waits until it is closed
	heard   chan struct{} // if not nil, closed by a merge once it is cancelled, for which it waits
	fail    func() error  // if not nil, how a merge ends
}

func (m *merger) Merge(ctx context.Context, r merge.Recipe, sources map[string]*infer.Weights) (*infer.Weights, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	return m.Executor.Merge(ctx, r, sources)
}

func (m *merger) MergeFrom(ctx context.Context, r merge.Recipe, models map[string]merge.Model, o merge.StreamOptions) (*infer.Weights, error) {
	m.streams.Add(1)
	if o.Progress != nil {
		o.Progress(1, 4)
	}
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	return m.Executor.MergeFrom(ctx, r, models, o)
}

// begin counts a merge, and lets it wait or fail.
func (m *merger) begin(ctx context.Context) error {
	m.merges.Add(1)
	if m.heard != nil {
		<-ctx.Done()
		close(m.heard)
	}
	if m.gate != nil {
		<-m.gate
	}
	if m.fail != nil {
		return m.fail()
	}
	return nil
}

// world is a catalog with everything around it.
type world struct {
	*catalog.Catalog
	t        *testing.T
	dir      string
	data     string
	store    *store.Bolt
	merger   *merger
	budget   int64
	serve    func(*device.Memory) *infer.Engine // makes an engine; nil: nobody asks the models anything
	engine   *infer.Engine
	ttl      time.Duration
	observer catalog.Observer
	clock    time.Time
	later    atomic.Int64 // nanoseconds that have passed on the clock
}

// newWorld has the models base, a and b of one shape, and other of another.
func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), data: t.TempDir(), budget: 1 << 30, clock: time.Unix(1_700_000_000, 0).UTC()}
	for i, name := range []string{"base", "a", "b"} {
		writeModel(t, w.path(name), tinyConfig(), uint64(i))
	}
	other := tinyConfig()
	other.NumHiddenLayers, other.VocabSize = 1, 30
	writeModel(t, w.path("other"), other, 9)
	w.merger = &merger{Executor: merge.NewExecutor(devicetest.Open(t))}
	for _, c := range change {
		c(w)
	}
	w.open()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// open opens the store and the catalog.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = store.OpenBolt(filepath.Join(w.data, "state.db"))
	require.NoError(w.t, err)
	memory := device.NewMemory(w.budget)
	var forget func(*infer.Weights)
	if w.serve != nil {
		w.engine = w.serve(memory)
		forget = w.engine.Forget
	}
	w.Catalog, err = catalog.Open(w.t.Context(), catalog.Options{
		Device: devicetest.Open(w.t), Executor: w.merger, Store: w.store, ModelsDir: w.dir, Memory: memory, Forget: forget,
		TTL: w.ttl, Observer: w.observer, Now: func() time.Time { return w.clock.Add(time.Duration(w.later.Load())) }, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(w.t, err)
}

// close closes both; everything has to have been given back.
func (w *world) close() {
	if w.Catalog == nil {
		return
	}
	if w.engine != nil {
		w.engine.Close()
	}
	w.Close()
	_, used := w.Budget()
	require.Zero(w.t, used, "bytes that were never given back to the budget")
	require.NoError(w.t, w.store.Close())
	w.Catalog = nil
}

// restart is what happens when the process ends and starts again.
func (w *world) restart() {
	w.t.Helper()
	w.close()
	w.open()
}

// advance lets time pass.
func (w *world) advance(by time.Duration) { w.later.Add(int64(by)) }

// acquire gets a model that must be there.
func (w *world) acquire(name string) *catalog.Lease {
	w.t.Helper()
	lease, err := w.Acquire(w.t.Context(), name)
	require.NoError(w.t, err)
	return lease
}

// touch loads a model and lets go of it.
func (w *world) touch(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.acquire(name).Release()
	}
}

// states gives the state of every model.
func (w *world) states() map[string]catalog.State {
	w.t.Helper()
	all, err := w.List(w.t.Context())
	require.NoError(w.t, err)
	states := map[string]catalog.State{}
	for _, e := range all {
		states[e.ID] = e.State
	}
	return states
}

// blend is a recipe of a and b on base.
func blend(a, b float64) merge.Recipe {
	r := merge.NewRecipe(merge.TaskArithmetic)
	r.Base, r.DType = "base", "float32"
	r.Sources = []merge.Source{{Model: "a", Weight: merge.Numbers(a)}, {Model: "b", Weight: merge.Numbers(b)}}
	return r
}

// keep stores a recipe and gives its id.
func (w *world) keep(name string, r merge.Recipe) string {
	w.t.Helper()
	stored, err := w.PutRecipe(w.t.Context(), name, r)
	require.NoError(w.t, err)
	return stored.ID
}

// alias makes or moves an alias.
func (w *world) alias(name, target string) {
	w.t.Helper()
	_, err := w.SetAlias(w.t.Context(), name, target)
	require.NoError(w.t, err)
}

// together runs a function many times at once.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
