package infer

import (
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// fakeVocab is the vocabulary of models in these tests.
const fakeVocab = 1000

// fakeComputer has caches that hold tokens in place of keys and values, and a
// model whose next token is a function of all that a row sees. Whatever a
// scheduler gets wrong with rows and columns comes out as a wrong token.
type fakeComputer struct {
	memory *device.Memory
	clock  time.Time
	alive  int               // caches that have not been freed
	passes []pass            // all passes, in order
	shapes map[string]bool   // combinations that a real device would compile
	sights []sight           // all tiles that have been seen, in order
	broken map[*Weights]bool // models that the device can't compute with
	single bool              // whether one sequence gets one row
}

// pass is one call of the device.
type pass struct {
	weights *Weights
	rows, n int // tokens of a row, or steps
	decode  bool
	seeing  bool // some of the tokens are pictures
}

type fakeKV struct {
	of     *fakeComputer
	tokens [][]int32
	taken  int64
	freed  bool
}

func (c *fakeKV) rows() int    { return len(c.tokens) }
func (c *fakeKV) columns() int { return len(c.tokens[0]) }
func (c *fakeKV) bytes() int64 { return c.taken }

func (c *fakeKV) free() {
	if !c.freed {
		c.freed = true
		c.of.alive--
		c.of.memory.Release(c.taken)
	}
}

// fakeWeights is a model of so many bytes; id tells models apart.
func fakeWeights(bytes int64, context int) *Weights {
	return &Weights{
		config: checkpoint.Config{VocabSize: fakeVocab, MaxPositionEmbeddings: context, NumHiddenLayers: 1, HiddenSize: glimpseWidth},
		bytes:  bytes, all: []*tensors.Tensor{tensors.FromValue(float32(0))},
	}
}

// follows is the fake model: the next token after those.
func follows(w *Weights, tokens []int32) int32 {
	h := uint32(2166136261) + uint32(w.bytes)
	for _, t := range tokens {
		h = (h ^ uint32(t)) * 16777619
	}
	return int32((h >> 8) % fakeVocab)
}

func (f *fakeComputer) compilations() int64 { return int64(len(f.shapes)) }
func (f *fakeComputer) close()              {}

func (f *fakeComputer) rows(_ *Weights, n int) int {
	if n == 1 && f.single {
		return 1
	}
	return rowBucket(n)
}

func (f *fakeComputer) cacheBytes(_ *Weights, rows, columns int) int64 {
	return int64(rows * columns)
}

func (f *fakeComputer) alloc(w *Weights, rows, columns int) (kv, error) {
	bytes := f.cacheBytes(w, rows, columns)
	if err := f.memory.Reserve(bytes); err != nil {
		return nil, err
	}
	f.alive++
	c := &fakeKV{of: f, taken: bytes}
	for range rows {
		c.tokens = append(c.tokens, slices.Repeat([]int32{-1}, columns))
	}
	return c, nil
}

// use checks that a cache may be used.
func use(c kv) *fakeKV {
	f := c.(*fakeKV)
	if f.freed {
		panic("a cache is used that has been freed")
	}
	return f
}

func (f *fakeComputer) compiles(what string, sizes ...any) {
	if f.shapes == nil {
		f.shapes = map[string]bool{}
	}
	f.shapes[what+fmt.Sprint(sizes...)] = true
}

func (f *fakeComputer) extend(w *Weights, c kv, tokens [][]int32, seen *given, start []int32, column int, want logits) (output, error) {
	k := use(c)
	n := len(tokens[0])
	f.compiles("extend", k.rows(), k.columns(), n, seen != nil)
	f.spend(pass{w, k.rows(), n, n == 1, seen != nil})
	if f.broken[w] {
		return output{}, fault.New(fault.Internal, "the device can't compute with this model")
	}
	var out output
	for r, row := range tokens {
		if want == hiddenStates {
			out.pooled = append(out.pooled, pooled{sum: make([]float32, 2)})
		}
		for i, t := range row {
			t = seen.inPlaceOf(t, r*n+i)
			k.tokens[r][column+i] = t
			next := follows(w, k.tokens[r][min(int(start[r]), column+i):column+i+1])
			if want == hiddenStates {
				out.pooled[r].add(int(start[r]) <= column+i, fakeState(next))
			}
			if want == allLogits || want == lastLogits && i == n-1 {
				logits := make([]float32, fakeVocab)
				logits[next] = 10
				out.logits = append(out.logits, logits)
			}
			if i == n-1 {
				out.picked = append(out.picked, next)
			}
		}
	}
	return out, nil
}

func (f *fakeComputer) decode(w *Weights, c kv, last, start []int32, column, n int) ([][]int32, error) {
	k := use(c)
	f.compiles("decode", k.rows(), k.columns(), n)
	var all [][]int32
	for i := range n {
		f.clock = f.clock.Add(time.Duration(k.rows()))
		next := make([]int32, len(last))
		for r := range last {
			k.tokens[r][column+i] = last[r]
			next[r] = follows(w, k.tokens[r][start[r]:column+i+1])
		}
		all, last = append(all, next), next
	}
	f.passes = append(f.passes, pass{w, k.rows(), n, true, false})
	return all, nil
}

// fakeState is the hidden state of a token: one, and the token that follows.
func fakeState(next int32) []float32 { return []float32{1, float32(next)} }

func (p *pooled) add(valid bool, state []float32) {
	p.last = state
	for i, x := range state {
		if valid {
			p.sum[i] += x
		}
	}
}

// spend lets time pass: a nanosecond a token.
func (f *fakeComputer) spend(p pass) {
	f.clock = f.clock.Add(time.Duration(p.rows * p.n))
	f.passes = append(f.passes, p)
}

func (f *fakeComputer) move(w *Weights, c kv, from []int32, columns, shift int) (kv, error) {
	k := use(c)
	f.compiles("move", k.rows(), k.columns(), len(from), columns)
	moved, err := f.alloc(w, len(from), columns)
	if err != nil {
		return nil, err
	}
	for r, row := range from {
		for x := range columns {
			if at := x + shift; at >= 0 && at < k.columns() {
				moved.(*fakeKV).tokens[r][x] = k.tokens[row][at]
			}
		}
	}
	return moved, nil
}

func (f *fakeComputer) join(_ *Weights, c, b kv, to []int32, column int) error {
	k, other := use(c), use(b)
	f.compiles("join", k.rows(), k.columns(), other.rows(), other.columns())
	if len(to) != other.rows() || column < other.columns() {
		panic(fmt.Sprintf("%d rows of %d columns join at column %d as %v", other.rows(), other.columns(), column, to))
	}
	for r, row := range to {
		if row >= 0 {
			copy(k.tokens[row][column-other.columns():], other.tokens[r])
		}
	}
	return nil
}

func (f *fakeComputer) load(_ *Weights, c, prefix kv, first, end int, count []int32) error {
	k, p := use(c), use(prefix)
	f.compiles("load", k.rows(), k.columns(), p.columns())
	for r, n := range count {
		copy(k.tokens[r][end-int(n):end], p.tokens[0][first:first+int(n)])
	}
	return nil
}
