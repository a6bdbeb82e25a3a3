package merge

import (
	"context"
	"fmt"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// Executor merges models on a device. It keeps what later merges can use again:
// compiled programs, and for "ties" the rankings of the sources' entries. It is
// safe for concurrent use.
type Executor struct {
	dev      *device.Device
	programs programs
	rankings rankings
}

// NewExecutor makes an executor for models on the device.
func NewExecutor(dev *device.Device) *Executor {
	return &Executor{
		dev:      dev,
		programs: programs{dev: dev},
		rankings: rankings{budget: DefaultRankingBytes},
	}
}

// Merge makes the model of a recipe from the weights of all models that it names
// ([Recipe.Models]). The result is the caller's to free, is held in the dtype of
// the sources, and has the configuration of the recipe's parent. The sources have
// to stay until Merge returns, and not longer.
//
// The error is fault.Invalid or fault.Unfit for what is wrong with the recipe,
// and fault.Cancelled if ctx ends: Merge looks at it between layers.
func (x *Executor) Merge(ctx context.Context, r Recipe, sources map[string]*infer.Weights) (*infer.Weights, error) {
	configs := make(map[string]checkpoint.Config, len(sources))
	for name, w := range sources {
		configs[name] = w.Config()
	}
	if err := CheckFit(r, configs); err != nil {
		return nil, err
	}
	j := newJob(r, sources)
	merged, err := x.run(ctx, j)
	if err != nil {
		return nil, fmt.Errorf("merge by %q: %w", string(r.Method), err)
	}
	config := configs[r.Parent()]
	config.DType = j.program.round
	w, err := infer.NewWeights(config, x.dev, merged)
	if err != nil {
		device.Free(merged...)
		return nil, err
	}
	return w, nil
}

// newJob looks up what a fitting recipe needs.
func newJob(r Recipe, weights map[string]*infer.Weights) job {
	r = r.normal()
	c := methods[r.Method]
	config := weights[r.Parent()].Config()
	params := arch.Params(config)
	j := job{
		recipe:  r,
		choices: c,
		program: newProgram(r, c),
		places:  r.places(config),
		units:   units(params),
	}
	if j.program.base {
		j.base = operand{weights[r.Base], weights[r.Base].Tensors()}
	}
	for _, s := range r.Sources {
		j.sources = append(j.sources, operand{weights[s.Model], weights[s.Model].Tensors()})
	}
	return j
}

// Forget drops what is kept about the weights. To be called when a source is
// freed; rankings of weights that are gone would only take space.
func (x *Executor) Forget(w *infer.Weights) { x.rankings.forget(w) }

// Compilations counts the programs compiled so far. A search whose candidates
// differ in weights, densities and seeds only doesn't move it.
func (x *Executor) Compilations() int64 { return x.programs.compilations.Load() }

// Close frees what the executor keeps. Models it has made live on.
func (x *Executor) Close() {
	x.rankings.forgetAll()
	x.programs.close()
}
