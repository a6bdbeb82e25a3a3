package merge

import (
	"context"
	"sync"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge/onepass"
)

// DefaultRankingBytes is how much host memory an executor spends on rankings
// unless told otherwise.
const DefaultRankingBytes = 4 << 30

// rankings remembers how the entries of a difference rank by magnitude, so that a
// search over densities looks once at each tensor. In the order of all entries a
// ranking takes four bytes an entry, in host memory; as a count of them by size
// (package onepass) next to nothing. When the budget is full, any ones
// make place: the tensors of a model are visited in circles, for which dropping
// the least recently used would drop exactly what is needed next.
type rankings struct {
	mu     sync.Mutex
	budget int64
	bytes  int64
	known  map[rankingKey]ranked
}

// ranked is one of them, with its size.
type ranked struct {
	order   []uint32         // nil for counts
	counted *onepass.Ranking // nil for an order
	bytes   int64
}

// rankingKey says whose difference from whom is ranked, in which tensor, and how.
type rankingKey struct {
	source, base *infer.Weights // by identity
	tensors      [2]int         // their numbers
	kind         rankingKind
	vocabulary   string // that the rows are in the order of; empty: their own
}

// rankingKind is one of the ways to rank entries.
type rankingKind int

const (
	byMagnitude rankingKind = iota // the positions of all, largest first
	bySize                         // how many there are of each size
	inRows                         // the rank of each in its row, smallest first
)

// ranking gives how the entries of a source's difference from the base rank.
func (x *Executor) ranking(j partJob, tensor, source int, kind rankingKind) ([]uint32, error) {
	found, err := x.remembered(j, tensor, source, kind, func() (ranked, error) {
		order, err := x.rank(j.sources[source].tensors[tensor], j.base.tensors[tensor], kind)
		return ranked{order: order, bytes: int64(4 * len(order))}, err
	})
	return found.order, err
}

// counted gives how many entries of a source's difference there are of each size.
func (x *Executor) counted(ctx context.Context, j partJob, tensor, source int, sizes onepass.Sizes) (*onepass.Ranking, error) {
	found, err := x.remembered(j, tensor, source, bySize, func() (ranked, error) {
		counted, err := onepass.Rank(ctx, sizes)
		if err != nil {
			return ranked{}, cancelled(ctx)
		}
		return ranked{counted: counted, bytes: counted.Bytes()}, nil
	})
	return found.counted, err
}

// remembered gives a ranking that is known, or makes it. It is remembered for weights
// that stay: a merge looks at each tensor once.
func (x *Executor) remembered(j partJob, tensor, source int, kind rankingKind, rank func() (ranked, error)) (ranked, error) {
	from, base := j.sources[source], j.base
	stay := from.owner != nil && base.owner != nil
	key := rankingKey{source: from.owner, base: base.owner, tensors: [2]int{from.number(tensor), base.number(tensor)}, kind: kind, vocabulary: j.order(tensor)}
	if stay {
		if known, ok := x.rankings.get(key); ok {
			return known, nil
		}
	}
	made, err := rank()
	if err == nil && stay {
		x.rankings.put(key, made)
	}
	return made, err
}

// rank sorts on the device.
func (x *Executor) rank(source, base *tensors.Tensor, kind rankingKind) ([]uint32, error) {
	type sorting struct{ rankingKind } // the key of the two sorting programs
	out, err := x.programs.run(sorting{kind}, func(in []*graph.Node) []*graph.Node {
		if kind == inRows {
			return []*graph.Node{rowRanking(in[0], in[1])}
		}
		return []*graph.Node{ranking(in[0], in[1])}
	}, []any{base, source})
	if err != nil {
		return nil, err
	}
	defer device.Free(out...)
	order, err := tensors.CopyFlatData[uint32](out[0])
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "reading a ranking from the device")
	}
	if dims := base.Shape().Dimensions; kind == inRows && len(dims) > 0 {
		order = ranksInRows(order, dims[len(dims)-1])
	}
	return order, nil
}

func (r *rankings) get(key rankingKey) (ranked, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.known[key]
	return known, ok
}

func (r *rankings) put(key rankingKey, made ranked) {
	size := made.bytes
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(key) // someone may have been faster
	if size > r.budget {
		return
	}
	for other := range r.known {
		if r.bytes+size <= r.budget {
			break
		}
		r.drop(other)
	}
	if r.known == nil {
		r.known = make(map[rankingKey]ranked)
	}
	r.known[key] = made
	r.bytes += size
}

// forget drops the rankings that the weights have part in.
func (r *rankings) forget(w *infer.Weights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.known {
		if key.source == w || key.base == w {
			r.drop(key)
		}
	}
}

// forgetAll drops them all.
func (r *rankings) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
	r.bytes = 0
}

// drop removes one; the caller holds the lock.
func (r *rankings) drop(key rankingKey) {
	r.bytes -= r.known[key].bytes
	delete(r.known, key)
}
