// Command mergers measures merges of models that lie on the device, as scripts/bench
// merge compares them with mergekit's: from a recipe to a model that can be served,
// the exchange of what is served included.
//
//	mergers -models FOLDER -recipe FILE -out FILE
//
// The first candidate finds out what depends on the sources alone; those that follow
// differ from it in weights, or in weights and densities, as in a search.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

func main() {
	models := flag.String("models", "", "folder of the models")
	recipe := flag.String("recipe", "", "recipe in mergekit's YAML")
	out := flag.String("out", "", "file to write the figures to")
	candidates := flag.Int("candidates", 5, "of each kind, after the first")
	flag.Parse()
	if err := run(context.Background(), *models, *recipe, *out, *candidates); err != nil {
		fmt.Fprintln(os.Stderr, "mergers:", err)
		os.Exit(1)
	}
}

// figures are seconds, and what a merge reads and writes at least.
type figures struct {
	First     float64   `json:"first"`
	Weights   []float64 `json:"weights"`   // other weights
	Densities []float64 `json:"densities"` // other weights and densities; none if the method has none
	Bytes     int64     `json:"bytes"`
}

// memory is the budget of the device: five models of 2.2 GB, and one that goes.
const memory = 16 << 30

func run(ctx context.Context, models, recipe, path string, candidates int) error {
	data, err := os.ReadFile(recipe)
	if err != nil {
		return err
	}
	document, err := merge.ParseYAML(data)
	if err != nil {
		return err
	}
	r := document.Recipe
	dev, err := device.Open(device.Options{})
	if err != nil {
		return err
	}
	defer dev.Close()
	folder, err := os.MkdirTemp("", "mergers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	kept, err := store.OpenBolt(filepath.Join(folder, "store"))
	if err != nil {
		return err
	}
	defer kept.Close()
	executor := merge.NewExecutor(dev)
	defer executor.Close()
	budget := device.NewMemory(memory)
	executor.KeepSpare(budget)
	c, err := catalog.Open(ctx, catalog.Options{
		Device: dev, Executor: executor, Store: kept, ModelsDir: models, Memory: budget,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	m := &meter{catalog: c}
	defer func() { m.serve(nil) }()
	f := figures{}
	for _, name := range r.Models() { // on the device before anything is measured
		lease, err := c.Acquire(ctx, name)
		if err != nil {
			return err
		}
		defer lease.Release()
		f.Bytes += lease.Model.Weights.Bytes()
		if name == r.Parent() {
			f.Bytes += lease.Model.Weights.Bytes() // what is written
		}
	}
	if f.First, err = m.candidate(ctx, r); err != nil {
		return err
	}
	for i := range 2 * candidates {
		dense := i >= candidates
		for k := range r.Sources {
			r.Sources[k].Weight = merge.Numbers(0.2 + 0.1*float64(k) + 0.01*float64(i))
			if dense && r.Method.Sparsifies() {
				r.Sources[k].Density = merge.Numbers(0.4 + 0.02*float64(i-candidates) + 0.1*float64(k))
			}
		}
		if dense && !r.Method.Sparsifies() {
			break
		}
		seconds, err := m.candidate(ctx, r)
		if err != nil {
			return err
		}
		if dense {
			f.Densities = append(f.Densities, seconds)
		} else {
			f.Weights = append(f.Weights, seconds)
		}
	}
	data, err = json.Marshal(f)
	if err != nil {
		return err
	}
	return checkpoint.WriteBytes(path, append(data, '\n'))
}

// meter makes one candidate after the other, and serves the latest.
type meter struct {
	catalog *catalog.Catalog
	served  atomic.Pointer[infer.Model]
	lease   *catalog.Lease
}

// candidate merges a recipe and serves it; it gives the seconds until it is served.
func (m *meter) candidate(ctx context.Context, r merge.Recipe) (float64, error) {
	began := time.Now()
	lease, err := m.catalog.Merge(ctx, r)
	if err != nil {
		return 0, err
	}
	m.served.Store(lease.Model)
	seconds := time.Since(began).Seconds()
	m.serve(lease)
	return seconds, nil
}

// serve lets go of what was served before.
func (m *meter) serve(lease *catalog.Lease) {
	if m.lease != nil {
		m.lease.Release()
	}
	m.lease = lease
}
