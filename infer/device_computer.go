package infer

import (
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device"
)

// rowsJoinedInPlace is the most rows that join writes one by one.
const rowsJoinedInPlace = 4

// deviceComputer is the computer that runs compiled graphs.
type deviceComputer struct {
	dev      *device.Device
	backend  compute.Backend
	memory   *device.Memory
	programs *programs
}

var _ computer = (*deviceComputer)(nil)

func newDeviceComputer(dev *device.Device, memory *device.Memory) *deviceComputer {
	return &deviceComputer{dev: dev, backend: dev.Backend(), memory: memory, programs: newPrograms(dev)}
}

// deviceKV is a KV cache of [arch.Cache]'s layout.
type deviceKV struct {
	memory *device.Memory
	size   [2]int // rows, columns
	taken  int64
	all    []*tensors.Tensor
	once   sync.Once
}

func (c *deviceKV) rows() int    { return c.size[0] }
func (c *deviceKV) columns() int { return c.size[1] }
func (c *deviceKV) bytes() int64 { return c.taken }

func (c *deviceKV) free() {
	c.once.Do(func() {
		device.Free(c.all...)
		c.memory.Release(c.taken)
	})
}

func (d *deviceComputer) compilations() int64 { return d.programs.compiled.Load() }

func (d *deviceComputer) close() { d.programs.close() }

// rows gives one sequence one row where that is faster: XLA's own products of a
// single row in bfloat16 are not, by an order of magnitude.
func (d *deviceComputer) rows(w *Weights, n int) int {
	if n == 1 && d.dev.HasKernels(w.DType()) {
		return 1
	}
	return rowBucket(n)
}

func (d *deviceComputer) cacheBytes(w *Weights, rows, columns int) int64 {
	var n int64
	for _, shape := range arch.CacheShapes(w.config, w.DType(), rows, columns) {
		n += int64(shape.Memory())
	}
	return n
}

// reserve takes the memory of a cache whose tensors are still to come.
func (d *deviceComputer) reserve(w *Weights, rows, columns int) (*deviceKV, error) {
	bytes := d.cacheBytes(w, rows, columns)
	if err := d.memory.Reserve(bytes); err != nil {
		return nil, fault.Wrap(err, fault.CodeOf(err), "a KV cache of %d sequences of %d tokens has no room", rows, columns)
	}
	return &deviceKV{memory: d.memory, size: [2]int{rows, columns}, taken: bytes}, nil
}

func (d *deviceComputer) alloc(w *Weights, rows, columns int) (kv, error) {
	c, err := d.reserve(w, rows, columns)
	if err != nil {
		return nil, err
	}
	for _, shape := range arch.CacheShapes(w.config, w.DType(), rows, columns) {
		t, err := tensors.FromShapeForBackend(d.backend, 0, shape)
		if err != nil {
			c.free()
			return nil, fault.Wrap(err, fault.OutOfMemory, "allocate a KV cache of %s", shape)
		}
		c.all = append(c.all, t)
	}
	return c, nil
}

func (d *deviceComputer) extend(w *Weights, c kv, tokens [][]int32, seen *given, start []int32, column int, want logits) (output, error) {
	program := d.programs.extend
	switch want {
	case allLogits:
		program = d.programs.score
	case hiddenStates:
		program = d.programs.pool
	}
	exec, err := program(w.config, seen != nil)
	if err != nil {
		return output{}, err
	}
	args := []any{tokens, start, int32(column)}
	if seen != nil {
		rows, n := len(tokens), len(tokens[0])
		states := tensors.FromFlatDataAndDimensions(seen.states, rows, n, w.config.HiddenSize)
		mask := tensors.FromFlatDataAndDimensions(seen.mask, rows, n)
		defer device.Free(states, mask)
		args = append(args, states, mask)
	}
	out, err := d.update(exec, c, 2, asArgs(w.all), args...)
	if err != nil {
		return output{}, err
	}
	defer device.Free(out...)
	if want == hiddenStates {
		return readPooled(out[0], out[1])
	}
	picked, err := tensors.CopyFlatData[int32](out[0])
	if err != nil || want == noLogits {
		return output{picked: picked}, err
	}
	flat, err := tensors.CopyFlatData[float32](out[1])
	if err != nil {
		return output{}, err
	}
	return output{picked: picked, logits: slices.Collect(slices.Chunk(flat, w.config.VocabSize))}, nil
}

// readPooled gives what the pool program says of each row.
func readPooled(sums, lasts *tensors.Tensor) (output, error) {
	width := sums.Shape().Dim(-1)
	all := make([]pooled, sums.Shape().Dim(0))
	sum, err := tensors.CopyFlatData[float32](sums)
	if err != nil {
		return output{}, err
	}
	last, err := tensors.CopyFlatData[float32](lasts)
	if err != nil {
		return output{}, err
	}
	for b := range all {
		all[b] = pooled{sum: sum[b*width : (b+1)*width], last: last[b*width : (b+1)*width]}
	}
	return output{pooled: all}, nil
}

func (d *deviceComputer) decode(w *Weights, c kv, last, start []int32, column, n int) ([][]int32, error) {
	exec, err := d.programs.decode(w.config, n)
	if err != nil {
		return nil, err
	}
	out, err := d.update(exec, c, 1, asArgs(w.all), slices.Collect(slices.Chunk(last, 1)), start, int32(column))
	if err != nil {
		return nil, err
	}
	defer device.Free(out...)
	picked, err := tensors.CopyFlatData[int32](out[0])
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(picked, c.rows())), nil
}

func (d *deviceComputer) move(w *Weights, c kv, from []int32, columns, shift int) (_ kv, err error) {
	exec, err := d.programs.move(w.config, columns)
	if err != nil {
		return nil, err
	}
	moved, err := d.reserve(w, len(from), columns)
	if err != nil {
		return nil, err
	}
	defer func() {
		if moved.all == nil { // an error, or a panic
			moved.free()
		}
	}()
	moved.all, err = exec.Call(append(asArgs(c.(*deviceKV).all), from, int32(shift))...)
	return moved, err
}

func (d *deviceComputer) join(w *Weights, c, b kv, to []int32, column int) error {
	exec, err := d.programs.join(w.config)
	if err != nil {
		return err
	}
	other := asArgs(b.(*deviceKV).all)
	var which any
	if len(to) <= rowsJoinedInPlace {
		which = joinedPairs(to)
	} else {
		from := make([]int32, c.rows())
		for r := range from {
			from[r] = int32(slices.Index(to, int32(r)))
		}
		which = from
	}
	_, err = d.update(exec, c, 0, nil, append(other, which, int32(column))...)
	return err
}

// joinedPairs lists which row goes where, as two rows of a matrix. Rows that go
// nowhere are replaced by one that does, which is then copied twice.
func joinedPairs(to []int32) [][]int32 {
	pairs := [][]int32{make([]int32, len(to)), make([]int32, len(to))}
	some := slices.IndexFunc(to, func(row int32) bool { return row >= 0 })
	for i, row := range to {
		source := i
		if row < 0 {
			source = some
		}
		pairs[0][i], pairs[1][i] = int32(source), to[source]
	}
	return pairs
}

func (d *deviceComputer) load(w *Weights, c, prefix kv, first, end int, count []int32) error {
	exec, err := d.programs.load(w.config)
	if err != nil {
		return err
	}
	after := append(asArgs(prefix.(*deviceKV).all), int32(first), int32(end), count)
	_, err = d.update(exec, c, 0, nil, after...)
	return err
}

// update runs a program with a cache between its other arguments. The cache's
// buffers are given away, so that they are updated in place; those that the
// program gives, behind its first results, take their place. If the program does
// not run they are freed here: the device's memory would be taken until Go's
// next garbage collection.
func (d *deviceComputer) update(exec *graph.Exec, c kv, results int, before []any, after ...any) (out []*tensors.Tensor, err error) {
	cache := c.(*deviceKV)
	old := cache.all
	cache.all = nil
	var given []compute.Buffer
	defer func() {
		if cache.all == nil { // an error, or a panic
			device.Free(old...) // those not given
			for _, b := range given {
				_ = b.Finalize() // does nothing if the program got as far as that
			}
		}
	}()
	args := append([]any{}, before...)
	for _, t := range old {
		buffer, err := t.Buffer(d.backend, 0)
		if err != nil {
			return nil, fmt.Errorf("hand over the KV cache: %w", err)
		}
		donated, err := graph.DonateTensorBuffer(t, d.backend, 0)
		if err != nil {
			return nil, fmt.Errorf("hand over the KV cache: %w", err)
		}
		given = append(given, buffer)
		args = append(args, donated)
	}
	all, err := exec.Call(append(args, after...)...)
	if err != nil {
		return nil, err
	}
	cache.all = all[results:]
	return all[:results], nil
}

func asArgs(all []*tensors.Tensor) []any {
	args := make([]any, len(all), len(all)+4)
	for i, t := range all {
		args[i] = t
	}
	return args
}
