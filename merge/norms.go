package merge

import (
	"context"
	"math"
	"sync"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/merge/onepass"
)

// maxRatios is how many ratios of norms an executor remembers: those of some hundred
// merges of a large model.
const maxRatios = 1 << 16

// ratios remembers by how much what is kept of a difference is rescaled, which
// depends on what is kept and not on weights.
type ratios struct {
	mu    sync.Mutex
	known map[ratioKey]float32
}

// ratioKey says of whose difference from whom, in which tensors, what is kept, and
// which norm stays.
type ratioKey struct {
	source, base *infer.Weights // by identity
	tensors      [2]int
	mask         [perMask]uint32
	sparsify     sparsify
	rescale      string
	vocabulary   string // as in rankingKey
}

// rescale multiplies the factors and votes of a merge with the ratios of norms, where
// the recipe asks for them: as the graph does.
func (x *Executor) rescale(ctx context.Context, j partJob, t int, m *onepass.Merge, masks []uint32) error {
	if j.program.rescale != RescaleL1 && j.program.rescale != RescaleL2 || !j.recipe.rescalesAt(j.places[t]) {
		return nil
	}
	for i := range m.Sources {
		key := ratioKey{
			source: j.sources[i].owner, base: j.base.owner,
			tensors: [2]int{j.sources[i].number(t), j.base.number(t)},
			mask:    [perMask]uint32(masks[i*perMask:]), sparsify: j.program.sparsify, rescale: j.program.rescale,
			vocabulary: j.order(t),
		}
		scale, ok := x.ratios.get(key)
		if !ok {
			before, after, err := m.Norms(ctx, i, key.rescale == RescaleL2)
			if err != nil {
				return cancelled(ctx)
			}
			scale = ratioOf(before, after, key.rescale)
			if key.source != nil && key.base != nil {
				x.ratios.put(key, scale)
			}
		}
		m.Sources[i].Factor *= scale
		m.Sources[i].Vote *= scale
	}
	return nil
}

// ratioOf is what the graph's ratio is.
func ratioOf(before, after float64, rescale string) float32 {
	if rescale == RescaleL2 {
		before, after = math.Sqrt(before), math.Sqrt(after)
	}
	if before < tinyNorm || after < tinyNorm {
		return 1
	}
	return float32(before / after)
}

func (r *ratios) get(key ratioKey) (float32, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	scale, ok := r.known[key]
	return scale, ok
}

func (r *ratios) put(key ratioKey, scale float32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRatios {
		clear(r.known)
	}
	if r.known == nil {
		r.known = make(map[ratioKey]float32)
	}
	r.known[key] = scale
}

// forget drops the ratios that the weights have part in.
func (r *ratios) forget(w *infer.Weights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.known {
		if key.source == w || key.base == w {
			delete(r.known, key)
		}
	}
}
