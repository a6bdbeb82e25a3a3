package merge

import (
	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer"
)

// Plan is what a merge and its export will take, known before a weight is read.
type Plan struct {
	Tensors int              // of the merged model
	Read    map[string]int64 // bytes of weights in the files of each model
	Written int64            // bytes of weights in the merged model's files
	Device  int64            // bytes of the device's memory at most: all models of a merge and the merged one, and what it takes to align vocabularies
	// Unit is how many bytes of the device's memory the largest unit takes, of all
	// models and the merged one: see [Executor.ExportFrom]. Kept are those that are
	// taken besides by the models that earlier stages make.
	Unit, Kept int64
	// Ranking is how many bytes of host memory the rankings of the entries of a
	// unit's sources take at most, for methods that keep entries by magnitude.
	Ranking int64
}

// planStage plans one merge. held tells the dtype in which each model that the
// recipe names lies on the device; the leaves among them are read unit by unit.
func planStage(r Recipe, models, leaves map[string]Described, held map[string]dtypes.DType) Plan {
	r = r.withDefaults()
	c := methods[r.Method]
	p := Plan{Read: map[string]int64{}}
	stored := map[string]map[string]int64{}
	for _, name := range r.Models() {
		stored[name] = map[string]int64{}
		for _, t := range models[name].Tensors {
			stored[name][t.Name] = t.StoredBytes()
		}
	}
	merged, dtype := r.Config(configurations(models)), newProgram(r.normal(), c).round
	if r.Method == Dataflow { // served from its models' weights, and written as a model of its own
		dtype = infer.WidestDType(models[r.Base].Config, models[r.Base].Tensors)
		if f, err := r.fold(merged); err == nil { // else nothing will be written
			dtype = f.dtype(dtype)
		}
		merged.HopScales = false
	} else {
		p.Device = bytesOfAll(storedAs(merged, held[r.Parent()]))
	}
	for _, t := range storedAs(merged, dtype) {
		p.Tensors++
		p.Written += t.StoredBytes()
	}
	units := map[string]int64{}
	for _, name := range r.Models() {
		for _, t := range storedAs(models[name].Config, held[name]) {
			p.Read[name] += stored[name][t.Name]
			p.Device += t.StoredBytes()
		}
		if _, leaf := leaves[name]; leaf {
			units[name] = UnitBytes(models[name].Config, held[name])
		}
	}
	p.Unit = UnitBytes(merged, held[r.Parent()]) + r.Fed(units)
	if v := r.Vocabulary; v != nil {
		p.Device += v.AlignedBytes(merged)
		p.Unit += v.AlignedBytes(merged)
	}
	if c.sparsify == magnitude || c.sparsify == outliers || c.sparsify == rankBernoulli {
		ranked := len(r.Sources)
		for _, s := range r.Slices { // at most what a model of as many sources everywhere would take
			ranked = max(ranked, len(s.Sources)-1)
		}
		p.Ranking = UnitBytes(merged, dtypes.Uint32) * int64(ranked)
	}
	return p
}
