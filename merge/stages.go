package merge

import (
	"maps"
	"slices"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Stage is one of the merges that a recipe of recipes takes.
type Stage struct {
	// Name is what the recipes of later stages call the model; empty for the last.
	Name   string
	Recipe Recipe
}

// Stages lists what is merged for a recipe, each model once and after those that
// it is made of; the last one is its own. The names of models that earlier stages
// make are those of their contents, and differ from the names of leaves.
func (r Recipe) Stages() []Stage {
	var stages []Stage
	seen := map[string]bool{}
	var add func(r Recipe, name string)
	add = func(r Recipe, name string) {
		r, _ = r.named()
		for _, in := range slices.Sorted(maps.Keys(r.Inputs)) {
			if !seen[in] {
				seen[in] = true
				add(r.Inputs[in], in)
			}
		}
		stages = append(stages, Stage{Name: name, Recipe: r})
	}
	add(r, "")
	return stages
}

// Idle lists the models that a stage needs, or makes, and no later one does.
func Idle(stages []Stage, stage int) []string {
	names := stages[stage].Recipe.Models()
	if name := stages[stage].Name; name != "" {
		names = append(names, name)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(stages[stage+1:], func(s Stage) bool { return slices.Contains(s.Recipe.Models(), name) })
	})
}

// NewPlan plans a recipe that fits its leaves, whose models are made stage by
// stage and kept as long as a stage needs them. held tells the dtype in which
// each leaf lies on the device.
func NewPlan(r Recipe, leaves map[string]Described, held map[string]dtypes.DType) Plan {
	models, held := maps.Clone(leaves), maps.Clone(held)
	stages := r.Stages()
	var whole Plan
	read := map[string]int64{}
	live := map[string]int64{} // bytes on the device
	for i, s := range stages {
		p := planStage(s.Recipe, models, leaves, held)
		bytes := p.Device // of what the stage makes
		for _, name := range s.Recipe.Models() {
			size := bytesOn(models[name], held[name])
			bytes -= size
			if _, there := live[name]; !there {
				read[name], live[name] = p.Read[name], size
			}
		}
		peak := bytes
		for name, size := range live {
			peak += size
			if _, leaf := leaves[name]; !leaf {
				p.Kept += size
			}
		}
		if s.Name != "" {
			p.Kept += bytes
		}
		p.Device, p.Ranking = max(whole.Device, peak), max(whole.Ranking, p.Ranking)
		p.Unit, p.Kept = max(whole.Unit, p.Unit), max(whole.Kept, p.Kept)
		whole = p
		if s.Name != "" {
			models[s.Name], held[s.Name] = Describe(s.Recipe, leaves), held[s.Recipe.Parent()]
			live[s.Name] = bytes
		}
		for _, name := range Idle(stages, i) {
			delete(live, name)
		}
	}
	whole.Read = read
	for _, t := range checkpoint.VisionTensors(leaves[r.Sees()].Tensors) { // copied
		whole.Tensors++
		whole.Read[r.Sees()] += t.StoredBytes()
		whole.Written += t.StoredBytes()
	}
	return whole
}

// bytesOn is the room that a model takes on the device.
func bytesOn(d Described, held dtypes.DType) int64 {
	var bytes int64
	for _, t := range storedAs(d.Config, held) {
		bytes += t.StoredBytes()
	}
	return bytes
}
