package infer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// programs are the compiled graphs, one set for each architecture shape: all
// models of a shape share them. GoMLX keeps one executable per combination of
// argument shapes; buckets keep those few.
type programs struct {
	backend  compute.Backend
	compiled atomic.Int64

	mu    sync.Mutex
	execs map[string]*graph.Exec
}

func newPrograms(backend compute.Backend) *programs {
	return &programs{backend: backend, execs: map[string]*graph.Exec{}}
}

// shapeKey identifies the graphs of a config: all that shapes them, and nothing
// that only describes the model.
func shapeKey(c checkpoint.Config) string {
	c.Architectures, c.BOSTokenID, c.EOSTokenIDs = nil, 0, nil
	scaling := c.RopeScaling
	c.RopeScaling = nil
	return fmt.Sprintf("%+v %+v", c, scaling)
}

// get gives the executable of a kind for a config, making it when first asked.
func (p *programs) get(kind string, c checkpoint.Config, build func([]*graph.Node) []*graph.Node) (*graph.Exec, error) {
	key := kind + " " + shapeKey(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.execs[key]; e != nil {
		return e, nil
	}
	e, err := graph.NewExec(p.backend, func(in []*graph.Node) []*graph.Node {
		p.compiled.Add(1)
		return build(in)
	})
	if err != nil {
		return nil, err
	}
	e.WithName(kind).SetMaxCache(-1) // buckets bound it
	p.execs[key] = e
	return e, nil
}

// close frees all executables.
func (p *programs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.execs {
		e.Finalize()
	}
	p.execs = map[string]*graph.Exec{}
}

// extend is the program that passes T tokens of each row through the model.
//
//	in:  weights…, cache…, tokens int32 [B, T], start int32 [B], column int32
//	out: the most probable next tokens int32 [B], logits float32 [B, V], cache…
func (p *programs) extend(c checkpoint.Config) (*graph.Exec, error) {
	return p.get("extend", c, func(in []*graph.Node) []*graph.Node {
		w, cache, rest := parts(c, in)
		logits, cache := arch.Extend(c, w, cache, rest[0], rest[1], rest[2])
		return append([]*graph.Node{graph.ArgMax(logits, -1), logits}, cache...)
	})
}

// greedySteps is the program that decodes several tokens of each row without
// coming back to the host in between; the call costs more than a step of a
// small model.
//
//	in:  weights…, cache…, last int32 [B, 1], start int32 [B], column int32
//	out: tokens int32 [steps, B], cache…
func (p *programs) greedySteps(c checkpoint.Config, steps int) (*graph.Exec, error) {
	return p.get(fmt.Sprintf("greedy%d", steps), c, func(in []*graph.Node) []*graph.Node {
		_, cache, rest := parts(c, in)
		last, start, column := rest[0], rest[1], rest[2]
		g, rows := last.Graph(), last.Shape().Dim(0)
		out := graph.Zeros(g, shapes.Make(dtypes.Int32, steps, rows))
		// Closures see only their parameters, so weights, start and column
		// travel through the loop unchanged, behind what does change.
		state := append([]*graph.Node{graph.Const(g, int32(0)), out, last}, cache...)
		fixed := len(state)
		state = append(append(state, in[:len(in)-len(cache)-3]...), start, column)

		parameters := func(g *graph.Graph) []*graph.Node {
			ps := make([]*graph.Node, len(state))
			for i, s := range state {
				ps[i] = graph.Parameter(g, fmt.Sprintf("state%d", i), s.Shape())
			}
			return ps
		}
		more := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
			return []*graph.Node{graph.LessThan(parameters(g)[0], graph.Const(g, int32(steps)))}
		})
		step := graph.NewClosure(g, func(g *graph.Graph) []*graph.Node {
			s := parameters(g)
			i, out, last, cache := s[0], s[1], s[2], s[3:fixed]
			weights, start, column := s[fixed:len(s)-2], s[len(s)-2], s[len(s)-1]
			logits, cache := arch.Extend(c, arch.Bind(c, weights), cache, last, start, graph.Add(column, i))
			next := graph.ArgMax(logits, -1)
			out = graph.DynamicUpdateSlice(out, graph.ExpandDims(next, 0), []*graph.Node{i, graph.Const(g, int32(0))})
			advanced := append([]*graph.Node{graph.AddScalar(i, 1), out, graph.ExpandDims(next, -1)}, cache...)
			return append(advanced, s[fixed:]...)
		})
		result := graph.While(more, step, state...)[:fixed]
		return append([]*graph.Node{result[1]}, result[3:]...)
	})
}

// reshape is the program that keeps some rows of a cache, and gives it room for
// more columns.
//
//	in:  cache…, rows int32 [B']
//	out: cache… [B', K, columns, E]
func (p *programs) reshape(c checkpoint.Config, columns int) (*graph.Exec, error) {
	return p.get(fmt.Sprintf("reshape%d", columns), c, func(in []*graph.Node) []*graph.Node {
		cache, rows := in[:len(in)-1], in[len(in)-1]
		out := make([]*graph.Node, len(cache))
		for i, x := range cache {
			x = graph.Gather(x, graph.ExpandDims(rows, -1))
			if add := columns - x.Shape().Dim(2); add > 0 {
				zero := graph.ScalarZero(x.Graph(), x.DType())
				x = graph.Pad(x, zero, compute.PadAxis{}, compute.PadAxis{}, compute.PadAxis{End: add}, compute.PadAxis{})
			}
			out[i] = x
		}
		return out
	})
}

// parts splits a program's arguments into weights, cache and what follows.
func parts(c checkpoint.Config, in []*graph.Node) (arch.Weights, arch.Cache, []*graph.Node) {
	n := len(arch.Params(c))
	m := n + 2*c.NumHiddenLayers
	return arch.Bind(c, in[:n]), arch.Cache(in[n:m]), in[m:]
}
