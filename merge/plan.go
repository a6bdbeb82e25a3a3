package merge

import "github.com/gomlx/compute/dtypes"

// Plan is what a merge and its export will take, known before a weight is read.
type Plan struct {
	Tensors int              // of the merged model
	Read    map[string]int64 // bytes of weights in the files of each model
	Written int64            // bytes of weights in the merged model's files
	Device  int64            // bytes of the device's memory at most: all models of a merge and the merged one, and what it takes to align vocabularies
	Staging int64            // bytes of host memory at most while the weights are written
	// Ranking is how many bytes of host memory the rankings of the sources' entries
	// take at most, for methods that keep entries by magnitude.
	Ranking int64
}

// planStage plans one merge. held tells the dtype in which each model that the
// recipe names lies on the device.
func planStage(r Recipe, models map[string]Described, held map[string]dtypes.DType) Plan {
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
	var entries int64
	merged := r.Config(configurations(models))
	for _, t := range storedAs(merged, newProgram(r.normal(), c).round) {
		p.Tensors++
		entries += int64(t.Size())
		p.Written += t.StoredBytes()
		p.Staging = max(p.Staging, 2*t.StoredBytes()) // one copy off the device, and one for the file
	}
	for _, t := range storedAs(merged, held[r.Parent()]) {
		p.Device += t.StoredBytes()
	}
	for _, name := range r.Models() {
		for _, t := range storedAs(models[name].Config, held[name]) {
			p.Read[name] += stored[name][t.Name]
			p.Device += t.StoredBytes()
		}
	}
	if v := r.Vocabulary; v != nil {
		p.Device += v.AlignedBytes(merged)
	}
	if c.sparsify == magnitude || c.sparsify == outliers || c.sparsify == rankBernoulli {
		ranked := len(r.Sources)
		for _, s := range r.Slices { // at most what a model of as many sources everywhere would take
			ranked = max(ranked, len(s.Sources)-1)
		}
		p.Ranking = min(DefaultRankingBytes, 4*entries*int64(ranked))
	}
	return p
}
