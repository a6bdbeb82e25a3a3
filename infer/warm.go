package infer

import (
	"context"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// maxWarmColumns is how long the sequences are, at most, whose programs are
// compiled ahead. Longer ones are compiled for when somebody writes them.
const maxWarmColumns = 512

// warmer is a computer that can compile ahead.
type warmer interface {
	warm(c checkpoint.Config, dtype dtypes.DType, tokens, rows, columns int) error
}

// Warm compiles the programs that users' requests to models of w's shape need
// first: prompts of one user, and steps of up to Slots sequences. All models of
// the shape share them. It takes a second or so for each of some dozens, and may
// run beside requests; ctx ends it.
func (e *Engine) Warm(ctx context.Context, w *Weights) error {
	d, ok := e.computer.(warmer)
	if !ok {
		return nil
	}
	config, dtype := w.Config(), w.DType()
	type pass struct{ tokens, rows, columns int }
	var all []pass
	longest := min(maxWarmColumns, config.MaxPositionEmbeddings)
	for _, tokens := range []int{16, 32, 64, 128, 256} {
		if tokens <= min(longest, e.options.ChunkTokens) {
			all = append(all, pass{tokens, 1, columnBucket(tokens)})
		}
	}
	most := e.computer.rows(w, e.options.Slots)
	for rows := e.computer.rows(w, 1); rows <= most; rows = e.computer.rows(w, rows+1) {
		for columns := columnBucket(1); columns <= longest; columns = columnBucket(columns + 1) {
			all = append(all, pass{1, rows, columns})
		}
	}
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(err, fault.Cancelled, "compile ahead")
		}
		err := device.Try("compile ahead", func() error { return d.warm(config, dtype, p.tokens, p.rows, p.columns) })
		if err != nil {
			return fault.Wrap(err, device.CodeOf(err), "compile ahead for %d rows of %d columns", p.rows, p.columns)
		}
	}
	return nil
}

// warm compiles the pass of T tokens through a cache.
func (d *deviceComputer) warm(c checkpoint.Config, dtype dtypes.DType, tokens, rows, columns int) error {
	exec, err := d.programs.extend(c, false)
	if err != nil {
		return err
	}
	var in []shapes.Shape
	for _, p := range arch.Params(c) {
		in = append(in, shapes.Make(p.DType(dtype), p.Shape...))
	}
	in = append(in, arch.CacheShapes(c, dtype, rows, columns)...)
	in = append(in, shapes.Make(dtypes.Int32, rows, tokens), shapes.Make(dtypes.Int32, rows), shapes.Make(dtypes.Int32))
	_, err = exec.Compile(in...)
	return err
}
