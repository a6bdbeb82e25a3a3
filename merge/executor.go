package merge

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge/onepass"
)

// Executor merges models on a device. It keeps what later merges can use again:
// compiled programs, and for "ties" the rankings of the sources' entries. It is
// safe for concurrent use.
type Executor struct {
	dev      *device.Device
	programs programs
	rankings rankings
	ratios   ratios
	spare    spare
	onePass  bool // the kernel of package onepass can be used
}

// NewExecutor makes an executor for models on the device.
func NewExecutor(dev *device.Device) *Executor {
	return &Executor{
		dev:      dev,
		programs: programs{dev: dev},
		rankings: rankings{budget: DefaultRankingBytes},
		onePass:  dev.SharesMemory() && onepass.Supported(),
	}
}

// Model is a model that takes part in a merge: [*infer.Weights], which lie on the
// device, or a [Stored] one.
type Model interface {
	Config() checkpoint.Config
	DType() dtypes.DType // of its tensors on the device
}

// Stored is a Model that is elsewhere, as [*infer.Stored] is: its tensors are put
// on the device when they are merged, and freed when they have been. Upload gives
// the one that is number i in [arch.Params], and may be called at once with others.
type Stored interface {
	Model
	Upload(ctx context.Context, i int) (*tensors.Tensor, error)
}

// Mapped is a Stored whose tensors can be read where they lie, as those of
// [*infer.Stored] can.
type Mapped interface {
	Stored
	// Map gives the tensor that is number i, unless it has to be uploaded. It stays
	// until Unmap, in memory that Go doesn't move (C reads it). It may be called at
	// once with others.
	Map(ctx context.Context, i int) (m infer.Mapped, ok bool, err error)
	Unmap(i int)
}

// Merge makes the model of a recipe from the weights of all models that it names
// ([Recipe.Models]). The result is the caller's to free, is held in the dtype of
// the sources, and has the configuration of the recipe's parent. The sources have
// to stay until Merge returns, and not longer; those of a path, which shares their
// weights ([infer.Weights.Shared]), until what Merge gives is freed.
//
// The error is fault.Invalid or fault.Unfit for what is wrong with the recipe,
// and fault.Cancelled if ctx ends: Merge looks at it between layers.
func (x *Executor) Merge(ctx context.Context, r Recipe, sources map[string]*infer.Weights) (*infer.Weights, error) {
	models := make(map[string]Model, len(sources))
	for name, w := range sources {
		models[name] = w
	}
	return x.MergeFrom(ctx, r, models, StreamOptions{})
}

// StreamOptions say how models are merged that are not on the device.
type StreamOptions struct {
	// Sequential merges a unit when the one before it is done with. That takes half
	// the room and more time: else the next one is read meanwhile.
	Sequential bool
	// Progress is told how many units are merged, and of how many; may be nil.
	Progress func(merged, total int)
}

// MergeFrom is Merge for models that need not be on the device. The result is the
// same to the last bit, wherever they are. Besides the merged model it takes room
// for a unit of each Stored one (see [UnitBytes]), or for two unless it is
// sequential.
func (x *Executor) MergeFrom(ctx context.Context, r Recipe, models map[string]Model, o StreamOptions) (*infer.Weights, error) {
	if r.Method == Dataflow {
		return x.lay(r, models)
	}
	j, config, err := prepare(r, models)
	if err != nil {
		return nil, err
	}
	merged, err := x.run(ctx, j, o)
	if err != nil {
		return nil, fmt.Errorf("merge by %q: %w", string(r.Method), err)
	}
	w, err := infer.NewWeights(config, x.dev, merged)
	if err != nil {
		device.Free(merged...)
		return nil, err
	}
	if slices.ContainsFunc(j.parts, func(p partJob) bool { return x.passes(p.program) }) {
		w.ReuseBy(x.spare.keep)
	}
	return w, nil
}

// prepare checks that models fit a recipe, and looks up what it needs, and what
// configuration the merged model has.
func prepare(r Recipe, models map[string]Model) (job, checkpoint.Config, error) {
	models = withInputs(r, models)
	configs := make(map[string]checkpoint.Config, len(models))
	for name, m := range models {
		configs[name] = m.Config()
	}
	if err := CheckFit(r, configs); err != nil {
		return job{}, checkpoint.Config{}, err
	}
	if (r.Tokenizer == nil) != (r.Vocabulary == nil) {
		return job{}, checkpoint.Config{}, fault.New(fault.Internal, "a recipe with a tokenizer comes with its vocabulary, and no other does")
	}
	models, configs = underNames(r, models), underNames(r, configs)
	r = r.normal()
	parts, config, err := r.written(configs)
	if err != nil {
		return job{}, config, err
	}
	held := models[r.Parent()].DType()
	if r.Method == Dataflow && config.DType == dtypes.Float32 {
		held = config.DType // folded weights are no numbers of their models' dtype
	}
	var j job
	for i, p := range parts {
		j.parts = append(j.parts, newPartJob(p, held, models))
		for _, u := range units(p.params) {
			u.part = i
			j.units = append(j.units, u)
		}
	}
	return j, config, nil
}

// written gives the parts of a recipe's model as files hold it, and its
// configuration. The recipe is in its normal form.
func (r Recipe) written(configs map[string]checkpoint.Config) ([]part, checkpoint.Config, error) {
	config := r.Config(configs)
	if r.Method == Dataflow {
		return r.laidOut(config)
	}
	config.DType = newProgram(r, methods[r.Method]).round
	return r.parts(config), config, nil
}

// newPartJob looks up what a part of a fitting recipe needs. What is merged is held
// in one dtype, whatever the sources are held in.
func newPartJob(p part, held dtypes.DType, models map[string]Model) partJob {
	c := methods[p.recipe.Method]
	j := partJob{part: p, choices: c, program: newProgram(p.recipe, c)}
	j.program.held = held
	if j.program.base {
		j.base = j.take(models[p.recipe.Base], p.base)
	}
	for i, s := range p.recipe.Sources {
		j.sources = append(j.sources, j.take(models[s.Model], p.shift(i)))
	}
	if v := p.recipe.Vocabulary; v != nil && slices.ContainsFunc(p.params, arch.Param.ByToken) {
		j.vocabulary = v
		for _, name := range v.models {
			j.words = append(j.words, j.takeWords(name, models[name]))
		}
	}
	return j
}

// Forget drops what is kept about the weights. To be called when a source is
// freed; rankings of weights that are gone would only take space.
func (x *Executor) Forget(w *infer.Weights) {
	x.rankings.forget(w)
	x.ratios.forget(w)
}

// Compilations counts the programs compiled so far. A search whose candidates
// differ in weights, densities and seeds only doesn't move it.
func (x *Executor) Compilations() int64 { return x.programs.compilations.Load() }

// Close frees what the executor keeps. Models it has made live on.
func (x *Executor) Close() {
	x.spare.close()
	x.rankings.forgetAll()
	x.programs.close()
}
