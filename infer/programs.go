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
	"github.com/mergeway/mergeway/infer/device"
)

// programs are the compiled graphs, one set for each architecture shape: all
// models of a shape share them. GoMLX keeps one executable per combination of
// argument shapes; buckets keep those few.
type programs struct {
	dev      *device.Device
	compiled atomic.Int64

	mu    sync.Mutex
	execs map[string]*graph.Exec
}

func newPrograms(dev *device.Device) *programs {
	return &programs{dev: dev, execs: map[string]*graph.Exec{}}
}

// shapeKey identifies the graphs of a config: all that shapes them, and nothing
// that only describes the model.
func shapeKey(c checkpoint.Config) string {
	c.Architectures, c.BOSTokenID, c.EOSTokenIDs = nil, 0, nil
	scaling := c.RopeScaling
	c.RopeScaling = nil
	return fmt.Sprintf("%+v %+v", c, scaling)
}

// inPlace says that n results from number output on may take the places of the
// parameters from number input on, which callers donate: a KV cache that is not
// updated in place is copied by every step. Where the backend can't be told so,
// that is what happens.
func inPlace(in []*graph.Node, input, output, n int) {
	for i := range n {
		if err := device.Alias(in[0].Graph(), input+i, output+i); err != nil {
			return
		}
	}
}

// get gives the executable of a kind for a config, making it when first asked.
func (p *programs) get(kind string, c checkpoint.Config, build func([]*graph.Node) []*graph.Node) (*graph.Exec, error) {
	return p.named(kind, kind+" "+shapeKey(c), build)
}

// named gives the executable of a key, making it when first asked.
func (p *programs) named(kind, key string, build func([]*graph.Node) []*graph.Node) (*graph.Exec, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.execs[key]; e != nil {
		return e, nil
	}
	e, err := graph.NewExec(p.dev.Backend(), func(in []*graph.Node) []*graph.Node {
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

// kindOf names a pass over tokens, or one that has pictures among them. They are
// programs of their own: what a text is computed with knows nothing of pictures.
func kindOf(kind string, seeing bool) string {
	if seeing {
		return kind + " seeing"
	}
	return kind
}

// seen are the options of a pass with these arguments behind the cache.
func seen(rest []*graph.Node) []arch.Option {
	if len(rest) <= 3 {
		return nil
	}
	return []arch.Option{arch.Seeing(rest[3], rest[4])}
}

// extend is the program that passes T tokens of each row through the model.
//
//	in:  weights…, cache…, tokens int32 [B, T], start int32 [B], column int32
//	     and, seeing, features float32 [B, T, D], mask bool [B, T]
//	out: the most probable next tokens int32 [B], logits float32 [B, V], cache…
func (p *programs) extend(c checkpoint.Config, seeing bool) (*graph.Exec, error) {
	return p.get(kindOf("extend", seeing), c, func(in []*graph.Node) []*graph.Node {
		w, cache, rest := parts(c, in)
		inPlace(in, len(w), 2, len(cache))
		logits, cache := arch.Extend(c, w, cache, rest[0], rest[1], rest[2], p.dev, seen(rest)...)
		return append([]*graph.Node{graph.ArgMax(logits, -1), logits}, cache...)
	})
}

// score is extend with the logits after each token, float32 [B, T, V].
func (p *programs) score(c checkpoint.Config, seeing bool) (*graph.Exec, error) {
	return p.get(kindOf("score", seeing), c, func(in []*graph.Node) []*graph.Node {
		w, cache, rest := parts(c, in)
		inPlace(in, len(w), 2, len(cache))
		logits, cache := arch.Score(c, w, cache, rest[0], rest[1], rest[2], p.dev, seen(rest)...)
		last := graph.Squeeze(graph.Slice(logits, graph.AxisRange(), graph.AxisRange(-1)), 1)
		return append([]*graph.Node{graph.ArgMax(last, -1), logits}, cache...)
	})
}

// pool is extend that gives hidden states in place of tokens and logits.
//
//	out: their sum over each row's tokens float32 [B, D], those of the last ones float32 [B, D], cache…
func (p *programs) pool(c checkpoint.Config, seeing bool) (*graph.Exec, error) {
	return p.get(kindOf("pool", seeing), c, func(in []*graph.Node) []*graph.Node {
		w, cache, rest := parts(c, in)
		inPlace(in, len(w), 2, len(cache))
		sum, last, cache := arch.Pool(c, w, cache, rest[0], rest[1], rest[2], p.dev, seen(rest)...)
		return append([]*graph.Node{sum, last}, cache...)
	})
}

// see is the program that makes of tiles of pictures what stands in the place of
// tokens, for a decoder of a width D.
//
//	in:  weights of what sees…, pixels float32 [N, 3, S, S]
//	out: states float32 [N, P, D]
func (p *programs) see(v checkpoint.VisionConfig, width int) (*graph.Exec, error) {
	v.Architectures, v.ImageTokenID = nil, 0
	key := fmt.Sprintf("see %d %+v", width, v)
	return p.named("see", key, func(in []*graph.Node) []*graph.Node {
		weights, pixels := in[:len(in)-1], in[len(in)-1]
		states := arch.See(v, arch.BindVision(v, width, weights), pixels)
		return []*graph.Node{graph.ConvertDType(states, dtypes.Float32)}
	})
}

// decode is the program that decodes several tokens of each row without coming
// back to the host in between; the call costs more than a step of a small model.
//
//	in:  weights…, cache…, last int32 [B, 1], start int32 [B], column int32
//	out: tokens int32 [steps, B], cache…
func (p *programs) decode(c checkpoint.Config, steps int) (*graph.Exec, error) {
	return p.get(fmt.Sprintf("decode%d", steps), c, func(in []*graph.Node) []*graph.Node {
		w, cache, rest := parts(c, in)
		inPlace(in, len(w), 1, len(cache))
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
			logits, cache := arch.Extend(c, arch.Bind(c, weights), cache, last, start, graph.Add(column, i), p.dev)
			next := graph.ArgMax(logits, -1)
			out = graph.DynamicUpdateSlice(out, graph.ExpandDims(next, 0), []*graph.Node{i, graph.Const(g, int32(0))})
			advanced := append([]*graph.Node{graph.AddScalar(i, 1), out, graph.ExpandDims(next, -1)}, cache...)
			return append(advanced, s[fixed:]...)
		})
		result := graph.While(more, step, state...)[:fixed]
		return append([]*graph.Node{result[1]}, result[3:]...)
	})
}

// move is the program that makes a cache of other rows and columns.
//
//	in:  cache… [B, K, C, E], from int32 [B'], shift int32
//	out: cache… [B', K, columns, E]; column x is column x+shift of before
func (p *programs) move(c checkpoint.Config, columns int) (*graph.Exec, error) {
	return p.get(fmt.Sprintf("move%d", columns), c, func(in []*graph.Node) []*graph.Node {
		cache, from, shift := in[:len(in)-2], in[len(in)-2], in[len(in)-1]
		out := make([]*graph.Node, len(cache))
		for i, x := range cache {
			x = graph.Gather(x, graph.ExpandDims(from, -1))
			out[i] = shifted(x, columns, shift)
		}
		return out
	})
}

// shifted gives columns of x [B, K, C, E]: column c of the result is column
// c+shift of x, and zero where x has none.
func shifted(x *graph.Node, columns int, shift *graph.Node) *graph.Node {
	zero := graph.ScalarZero(x.Graph(), x.DType())
	wide := graph.Pad(x, zero, compute.PadAxis{}, compute.PadAxis{}, compute.PadAxis{Start: columns, End: columns}, compute.PadAxis{})
	origin := graph.Const(x.Graph(), int32(0))
	sizes := append([]int{}, x.Shape().Dimensions...)
	sizes[2] = columns
	return graph.DynamicSlice(wide, []*graph.Node{origin, origin, graph.AddScalar(shift, columns), origin}, sizes)
}

// join is the program that copies rows of one cache into another, aligned at
// their newest tokens. A few rows are written where they belong; many cost one
// pass over the whole cache.
//
//	in:  cache… [B, K, C, E], b… [R, K, W, E], pairs int32 [2, R] or from int32 [B], column int32
//	out: cache…
func (p *programs) join(c checkpoint.Config) (*graph.Exec, error) {
	return p.get("join", c, func(in []*graph.Node) []*graph.Node {
		n := (len(in) - 2) / 2
		cache, other, which, column := in[:n], in[n:2*n], in[2*n], in[2*n+1]
		inPlace(in, 0, 0, n)
		g := which.Graph()
		origin := graph.Const(g, int32(0))
		out := make([]*graph.Node, n)
		for i, x := range cache {
			b := other[i]
			rows, width := b.Shape().Dim(0), b.Shape().Dim(2)
			first := graph.SubScalar(column, width) // the column of b's first
			if which.Rank() == 2 {
				for r := range rows {
					source, target := element(which, 0, r), element(which, 1, r)
					sizes := append([]int{1}, b.Shape().Dimensions[1:]...)
					row := graph.DynamicSlice(b, []*graph.Node{source, origin, origin, origin}, sizes)
					x = graph.DynamicUpdateSlice(x, row, []*graph.Node{target, origin, first, origin})
				}
				out[i] = x
				continue
			}
			moved := shifted(b, x.Shape().Dim(2), graph.Neg(first))
			moved = graph.Gather(moved, graph.ExpandDims(graph.Max(which, graph.ZerosLike(which)), -1))
			taken := graph.GreaterOrEqual(which, graph.ZerosLike(which))
			taken = graph.BroadcastToDims(graph.Reshape(taken, x.Shape().Dim(0), 1, 1, 1), x.Shape().Dimensions...)
			out[i] = graph.Where(taken, moved, x)
		}
		return out
	})
}

// element is x[i][j] of a matrix, as a scalar.
func element(x *graph.Node, i, j int) *graph.Node {
	return graph.Reshape(graph.Slice(x, graph.AxisElem(i), graph.AxisElem(j)))
}

// load is the program that copies tokens of a saved prefix into rows of a cache.
//
//	in:  cache… [B, K, C, E], prefix… [1, K, W, E], first int32, end int32, count int32 [B]
//	out: cache…
func (p *programs) load(c checkpoint.Config) (*graph.Exec, error) {
	return p.get("load", c, func(in []*graph.Node) []*graph.Node {
		n := (len(in) - 3) / 2
		cache, prefix := in[:n], in[n:2*n]
		first, end, count := in[2*n], in[2*n+1], in[2*n+2]
		inPlace(in, 0, 0, n)
		g := first.Graph()
		rows, columns := cache[0].Shape().Dim(0), cache[0].Shape().Dim(2)
		width := prefix[0].Shape().Dim(2)
		column := graph.Iota(g, shapes.Make(dtypes.Int32, rows, columns), 1)
		// Column x of row r holds token x-(end-count[r]) of the prefix.
		begin := graph.BroadcastToDims(graph.Reshape(graph.Sub(graph.BroadcastToDims(end, rows), count), rows, 1), rows, columns)
		token := graph.Sub(column, begin)
		filled := graph.LogicalAnd(
			graph.GreaterOrEqual(token, graph.ZerosLike(token)),
			graph.LessThan(column, graph.BroadcastToDims(end, rows, columns)))
		at := graph.Add(token, graph.BroadcastToDims(first, rows, columns))
		at = graph.Clip(at, graph.Const(g, int32(0)), graph.Const(g, int32(width-1)))
		out := make([]*graph.Node, n)
		for i, x := range cache {
			byColumn := graph.TransposeAllAxes(graph.Squeeze(prefix[i], 0), 1, 0, 2) // [W, K, E]
			moved := graph.Gather(byColumn, graph.ExpandDims(at, -1))                // [B, C, K, E]
			moved = graph.TransposeAllAxes(moved, 0, 2, 1, 3)                        // [B, K, C, E]
			mask := graph.BroadcastToDims(graph.Reshape(filled, rows, 1, columns, 1), x.Shape().Dimensions...)
			out[i] = graph.Where(mask, moved, x)
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
