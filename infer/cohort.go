package infer

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// cohort is a batch of sequences of one set of weights that advance together.
//
// All rows are aligned at their newest token: prompts are padded on the left,
// and every step writes the same cache column for all rows. Rows that have
// ended go on computing unseen until enough have, then the cohort closes ranks.
type cohort struct {
	engine  *Engine
	weights *Weights
	config  checkpoint.Config

	rows    []*sequence // row b of the batch; rows beyond them are padding
	size    int         // rows of the batch, a bucket
	columns int         // of the cache, a bucket
	limit   int         // columns that are ever needed
	cache   []*tensors.Tensor
	start   []int32 // [size] first column of each row
	column  int     // next column to be written
	prompt  [][]int32
	width   int // of the padded prompt
	greedy  bool
}

// newCohort takes sequences of one model. Nothing runs yet.
func newCohort(e *Engine, rows []*sequence) *cohort {
	c := &cohort{engine: e, weights: rows[0].model.Weights, config: rows[0].model.Weights.Config(), rows: rows, greedy: true}
	longestPrompt, longestReply := 0, 0
	for _, s := range rows {
		longestPrompt = max(longestPrompt, len(s.request.Prompt))
		longestReply = max(longestReply, s.longest)
		c.greedy = c.greedy && s.request.Sampling.Temperature == 0
	}
	c.size = rowBucket(len(rows))
	c.width = widthBucket(longestPrompt)
	if chunk := e.options.ChunkTokens; c.width > chunk {
		c.width = (longestPrompt + chunk - 1) / chunk * chunk
	}
	c.limit = c.width + longestReply
	c.columns = columnBucket(min(c.limit, c.width+e.options.GrowColumns))
	c.start = make([]int32, c.size)
	c.prompt = make([][]int32, c.size)
	for b := range c.size {
		c.start[b] = int32(c.width - 1) // padding rows see one padding token
		c.prompt[b] = make([]int32, c.width)
		if b < len(rows) {
			ids := rows[b].request.Prompt
			c.start[b] = int32(c.width - len(ids))
			copy(c.prompt[b][c.width-len(ids):], ids)
		}
	}
	return c
}

// run does one unit of work, short enough that others need not wait long: a
// chunk of the prompt, or some decode steps. done says that all rows ended.
func (c *cohort) run(steps int) (done bool, err error) {
	err = device.Try("run a batch", func() error {
		switch {
		case c.endAbandoned():
			return nil
		case c.column < c.width:
			return c.prefill()
		default:
			return c.decode(steps)
		}
	})
	return c.allDone(), err
}

// prefill passes the next chunk of the prompts through the model; after the
// last one every row has its first token.
func (c *cohort) prefill() error {
	if c.cache == nil {
		for _, shape := range arch.CacheShapes(c.config, c.weights.DType(), c.size, c.columns) {
			t, err := tensors.FromShapeForBackend(c.engine.device.Backend(), 0, shape)
			if err != nil {
				return fault.Wrap(err, fault.OutOfMemory, "allocate a KV cache of %s", shape)
			}
			c.cache = append(c.cache, t)
		}
	}
	end := min(c.column+c.engine.options.ChunkTokens, c.width)
	chunk := make([][]int32, c.size)
	for b := range chunk {
		chunk[b] = c.prompt[b][c.column:end]
	}
	last := end == c.width
	return c.extend(chunk, last)
}

// decode advances every row by at most steps tokens.
func (c *cohort) decode(steps int) error {
	if err := c.makeRoom(steps); err != nil {
		return err
	}
	last := make([][]int32, c.size)
	for b := range last {
		last[b] = []int32{0}
		if b < len(c.rows) {
			last[b][0] = c.rows[b].last
		}
	}
	if steps = min(steps, c.columns-c.column); !c.greedy || steps < c.engine.options.GreedySteps {
		return c.extend(last, true)
	}
	exec, err := c.engine.programs.greedySteps(c.config, steps)
	if err != nil {
		return err
	}
	out, err := c.call(exec, last)
	if err != nil {
		return err
	}
	c.column += steps
	c.cache = out[1:]
	defer device.Free(out[:1]...)
	picked, err := tensors.CopyFlatData[int32](out[0]) // [steps, size]
	if err != nil {
		return err
	}
	for i := range steps {
		for b, s := range c.rows {
			if !s.done {
				s.accept(picked[i*c.size+b])
			}
		}
	}
	return nil
}

// extend runs the model on T tokens of each row, and gives every row its next
// token if accept is set.
func (c *cohort) extend(tokens [][]int32, accept bool) error {
	exec, err := c.engine.programs.extend(c.config)
	if err != nil {
		return err
	}
	out, err := c.call(exec, tokens)
	if err != nil {
		return err
	}
	c.column += len(tokens[0])
	c.cache = out[2:]
	defer device.Free(out[:2]...)
	if !accept {
		return nil
	}
	picked, err := tensors.CopyFlatData[int32](out[0])
	if err != nil {
		return err
	}
	var logits []float32
	if !c.greedy {
		if logits, err = tensors.CopyFlatData[float32](out[1]); err != nil {
			return err
		}
	}
	vocab := c.config.VocabSize
	for b, s := range c.rows {
		if s.done {
			continue
		}
		token := picked[b]
		if s.request.Sampling.Temperature > 0 {
			token = s.request.Sampling.pick(logits[b*vocab:(b+1)*vocab], s.seed, s.tokens)
		}
		s.accept(token)
	}
	return nil
}

// call runs a program over weights, the cache, tokens, start and column.
func (c *cohort) call(exec *graph.Exec, tokens [][]int32) ([]*tensors.Tensor, error) {
	weights := make([]any, len(c.weights.all))
	for i, w := range c.weights.all {
		weights[i] = w
	}
	return c.callWithCache(exec, weights, tokens, c.start, int32(c.column))
}

// callWithCache runs a program with the cache between its other arguments. The
// cache is given away, so that it is updated in place: the cohort has none until
// it takes the program's. If the program does not run, the cache is freed here:
// the device's memory would be taken until Go's next garbage collection.
func (c *cohort) callWithCache(exec *graph.Exec, before []any, after ...any) (out []*tensors.Tensor, err error) {
	cache := c.cache
	c.cache = nil
	var given []compute.Buffer
	defer func() {
		if out == nil { // an error, or a panic
			device.Free(cache...) // those not given
			for _, b := range given {
				_ = b.Finalize() // does nothing if the program got as far as that
			}
		}
	}()
	backend := c.engine.device.Backend()
	args := append([]any{}, before...)
	for _, t := range cache {
		buffer, err := t.Buffer(backend, 0)
		if err != nil {
			return nil, fmt.Errorf("hand over the KV cache: %w", err)
		}
		donated, err := graph.DonateTensorBuffer(t, backend, 0)
		if err != nil {
			return nil, fmt.Errorf("hand over the KV cache: %w", err)
		}
		given = append(given, buffer)
		args = append(args, donated)
	}
	return exec.Call(append(args, after...)...)
}

// makeRoom closes ranks when most rows have ended, and grows the cache when the
// next steps would not fit.
func (c *cohort) makeRoom(steps int) error {
	var alive []*sequence
	var keep []int32
	for b, s := range c.rows {
		if !s.done {
			alive = append(alive, s)
			keep = append(keep, int32(b))
		}
	}
	size := rowBucket(len(alive))
	shrink := 2*size <= c.size
	grow := c.column+1 > c.columns || (c.column+steps > c.columns && c.columns < c.limit)
	if !shrink && !grow {
		return nil
	}
	if !shrink { // rows stay where they are
		size, alive, keep = c.size, c.rows, nil
		for b := range c.size {
			keep = append(keep, int32(b))
		}
	}
	columns := c.columns
	if grow {
		columns = columnBucket(max(c.column+steps, min(c.limit, c.column+c.engine.options.GrowColumns)))
	}
	start := make([]int32, size)
	for b := range start {
		if b >= len(keep) {
			keep = append(keep, keep[0]) // padding rows repeat a real one
		}
		start[b] = c.start[keep[b]]
	}
	exec, err := c.engine.programs.reshape(c.config, columns)
	if err != nil {
		return err
	}
	if c.cache, err = c.callWithCache(exec, nil, keep); err != nil {
		return err
	}
	c.rows, c.start, c.size, c.columns = alive, start, size, columns
	return nil
}

// endAbandoned ends rows whose reader has gone; it tells whether all have ended.
func (c *cohort) endAbandoned() bool {
	for _, s := range c.rows {
		s.abandoned()
	}
	return c.allDone()
}

func (c *cohort) allDone() bool {
	for _, s := range c.rows {
		if !s.done {
			return false
		}
	}
	return true
}

// alive is the number of rows that have not ended.
func (c *cohort) alive() int {
	n := 0
	for _, s := range c.rows {
		if !s.done {
			n++
		}
	}
	return n
}

// close ends what has not ended with err, and frees the cache.
func (c *cohort) close(err error) {
	for _, s := range c.rows {
		if !s.done {
			s.fail(err)
		}
	}
	device.Free(c.cache...)
	c.cache = nil
}

// context of the cohort's first row, for logging.
func (c *cohort) context() context.Context { return c.rows[0].ctx }
