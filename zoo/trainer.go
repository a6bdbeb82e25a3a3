package zoo

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// trainer owns one model in training: its parameters and their moments live on
// the device, go into one compiled step as donated arguments, and come out of
// it as its results.
type trainer struct {
	dev          *device.Device
	params       []arch.Param
	rows, length int
	sight        *sight // nil: what is trained sees nothing
	step         *graph.Exec
	state        []*tensors.Tensor // values, first moments, second moments
	taken        int               // steps so far
}

// newTrainer prepares to train from the given weights, in the order of params, in
// batches of rows × length predicted tokens. It copies the weights; the caller keeps
// them. paces says what the rate of each tensor is multiplied by; nil: by 1.
func newTrainer(dev *device.Device, l lesson, from []*tensors.Tensor, rows, length int) (*trainer, error) {
	t := &trainer{dev: dev, params: l.params(), rows: rows, length: length, sight: l.sight}
	for _, w := range from {
		copied, err := w.LocalClone()
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "copy the weights to train")
		}
		t.state = append(t.state, copied)
	}
	for range 2 {
		for _, w := range from {
			t.state = append(t.state, tensors.FromShape(w.Shape()))
		}
	}
	err := device.Try("build the training step", func() (err error) {
		t.step, err = graph.NewExec(dev.Backend(), func(in []*graph.Node) []*graph.Node {
			return l.step(t.params, in)
		})
		return err
	})
	return t, err
}

// lesson is what a step of training computes: for a decoder of a config, and with
// sight for one that sees.
type lesson struct {
	config checkpoint.Config
	sight  *sight
	pace   func(arch.Param) float64 // what a tensor's rate is multiplied by; nil: 1
}

// params are what is trained: the decoder's tensors, then those that see.
func (l lesson) params() []arch.Param {
	params := arch.Params(l.config)
	if l.sight != nil {
		params = append(params, l.sight.params(l.config)...)
	}
	return params
}

// step is the graph of one step. in: n values, n first moments, n second moments,
// tokens int32 [B, T+1], weights f32 [B, T], rate and step number as f32 scalars, and
// with sight what sight.show takes. Out: the moved values and moments, then the loss.
func (l lesson) step(params []arch.Param, in []*graph.Node) []*graph.Node {
	n := len(params)
	tokens, weights, rate, number := in[3*n], in[3*n+1], in[3*n+2], in[3*n+3]
	loss := replyLoss(l.config, tokens, weights, func(seen *graph.Node) *graph.Node {
		own := len(arch.Params(l.config))
		w := arch.Bind(l.config, in[:own])
		if l.sight == nil {
			return arch.Forward(l.config, w, seen)
		}
		features, mask := l.sight.show(l.config, in[own:n], in[3*n+4], in[3*n+5])
		return arch.ForwardSeeing(l.config, w, seen, features, mask)
	})
	gradients := graph.Gradient(loss, in[:n]...)

	slots := make([]slot, n)
	for i := range slots {
		slots[i] = slot{in[i], in[n+i], in[2*n+i], 1}
		if l.pace != nil {
			slots[i].pace = l.pace(params[i])
		}
	}
	out := make([]*graph.Node, 3*n, 3*n+1)
	for i, s := range newAdamW().update(slots, gradients, rate, number) {
		out[i], out[n+i], out[2*n+i] = s.value, s.first, s.second
	}
	return append(out, loss)
}

// replyLoss is the mean cross entropy, in nats, of the tokens that have weight, under
// the logits [B, T, V] that forward gives of the tokens before them.
func replyLoss(c checkpoint.Config, tokens, weights *graph.Node, forward func(seen *graph.Node) *graph.Node) *graph.Node {
	length := weights.Shape().Dim(1)
	seen := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, length))
	next := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, length+1))
	logProbs := graph.LogSoftmax(forward(seen), -1)                                                     // [B, T, V]
	picked := graph.ReduceSum(graph.Mul(logProbs, graph.OneHot(next, c.VocabSize, dtypes.Float32)), -1) // [B, T]
	return graph.Neg(graph.Div(graph.ReduceAllSum(graph.Mul(picked, weights)), graph.ReduceAllSum(weights)))
}

// learn takes one step on a batch and gives its loss.
func (t *trainer) learn(b batch, rate float64) (loss float32, err error) {
	err = device.Try("training step", func() error {
		args := make([]any, 0, len(t.state)+4)
		for _, s := range t.state {
			given, err := graph.DonateTensorBuffer(s, t.dev.Backend(), 0)
			if err != nil {
				return err
			}
			args = append(args, given)
		}
		args = append(args,
			tensors.FromFlatDataAndDimensions(b.tokens, t.rows, t.length+1),
			tensors.FromFlatDataAndDimensions(b.weights, t.rows, t.length),
			float32(rate), float32(t.taken+1))
		if t.sight != nil {
			args = append(args, t.sight.tiles(b.tiles), tensors.FromFlatDataAndDimensions(b.places, t.rows, t.length))
		}
		out, err := t.step.Exec(args...)
		if err != nil {
			return err
		}
		last := len(out) - 1
		loss, t.state = tensors.ToScalar[float32](out[last]), out[:last]
		out[last].MustFinalizeAll()
		return nil
	})
	if err != nil {
		return 0, err
	}
	t.taken++
	if math.IsNaN(float64(loss)) || math.IsInf(float64(loss), 0) {
		return loss, fault.New(fault.Internal, "training diverged at step %d: loss %v", t.taken, loss)
	}
	return loss, nil
}

// finish gives the trained parameters, now the caller's, and frees the rest.
func (t *trainer) finish() []*tensors.Tensor {
	weights := t.state[:len(t.params)]
	for _, moment := range t.state[len(t.params):] {
		moment.MustFinalizeAll()
	}
	t.step.Finalize()
	t.state = nil
	return weights
}

// initialWeights draws the weights of an untrained decoder: small normal numbers,
// smaller still where a block writes into the residual stream, ones for the
// norms, and zeros for biases.
func initialWeights(c checkpoint.Config, seed uint64) []*tensors.Tensor {
	const spread = 0.02
	return drawWeights(newRand(seed, "initial weights"), arch.Params(c), func(p arch.Param) float64 {
		if strings.HasSuffix(p.Name, "o_proj.weight") || strings.HasSuffix(p.Name, "down_proj.weight") {
			return spread / math.Sqrt(2*float64(c.NumHiddenLayers))
		}
		return spread
	})
}

// drawWeights draws normal numbers for matrices, as spread deviation says; norms get
// ones, biases zeros.
func drawWeights(r *rand.Rand, params []arch.Param, deviation func(arch.Param) float64) []*tensors.Tensor {
	var out []*tensors.Tensor
	for _, p := range params {
		spread := deviation(p)
		size := 1
		for _, d := range p.Shape {
			size *= d
		}
		values := make([]float32, size)
		for i := range values {
			switch {
			case strings.HasSuffix(p.Name, ".bias"):
			case len(p.Shape) == 1 && strings.HasSuffix(p.Name, ".weight"):
				values[i] = 1
			default:
				values[i] = float32(r.NormFloat64() * spread)
			}
		}
		out = append(out, tensors.FromFlatDataAndDimensions(values, p.Shape...))
	}
	return out
}
