package merge

import (
	"math"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// A path is exported as a model like any other: its blocks one after another, the
// scales of its hops folded into them. With x the residual stream on the path as it
// comes to block k, scaled, the plain model's is y = cₖ·x, where
//
//	cₖ = κ / (s₁·s₂·…·sₖ)
//
// A block reads the stream through a norm, which makes of y what it makes of x (its
// weights get the sign of cₖ), and adds to it what its last products give, which are
// multiplied by cₖ; so are the embeddings by κ. Behind the last block the final norm
// takes the factor out again.
//
// This is exact but for the epsilon of norms, which is added to the mean square of y
// and not of x. κ is chosen so that no cₖ is smaller than 1: epsilon then counts for
// less than it did, and the difference is no larger than what it made of the model,
// ε/2 over the mean square of the stream. Factors that are powers of two change no
// digit of a weight; with any other, the folded weights are written in float32, which
// rounds them far below what they were rounded to before.

// maxFold bounds cₖ: beyond it the stream nears the end of what float32 holds.
const maxFold = 1 << 40

// folding are the factors that stand for the scales of a path.
type folding struct {
	embedding float64
	blocks    []float64 // of what each adds to the stream
	norm      float64   // of the final norm's weights
}

// fold finds the factors for a path whose model has the configuration.
func (r Recipe) fold(c checkpoint.Config) (folding, error) {
	f := folding{embedding: 1, norm: 1, blocks: make([]float64, len(r.Path))}
	if r.scaled() && !arch.AddsProducts(c) {
		return f, fault.New(fault.Unfit, "the scales of a path can't be folded into a %s: its blocks norm what they add to the residual stream. It can be served, and not exported", c.ModelType)
	}
	product, largest := 1.0, 1.0
	for i, h := range r.Path {
		product *= h.scale()
		f.blocks[i] = 1 / product
		largest = max(largest, math.Abs(product))
	}
	f.embedding = math.Exp2(math.Ceil(math.Log2(largest)))
	for i := range f.blocks {
		if f.blocks[i] *= f.embedding; !(math.Abs(f.blocks[i]) <= maxFold) {
			return f, fault.New(fault.Unfit, "the scales of the path multiply to %g and to %g: folded into weights they would leave the range of float32. It can be served, and not exported",
				largest, f.embedding/f.blocks[i])
		}
	}
	f.norm = math.Copysign(1, f.blocks[len(f.blocks)-1])
	if c.TieWordEmbeddings { // the head is scaled with the embedding
		f.norm /= f.embedding
	}
	return f, nil
}

// exact reports whether no factor changes a digit of what it multiplies.
func (f folding) exact() bool {
	for _, v := range append([]float64{f.embedding, f.norm}, f.blocks...) {
		if fraction, _ := math.Frexp(math.Abs(v)); fraction != 0.5 {
			return false
		}
	}
	return true
}

// dtype is what a path's model is written as, whose models are stored as stored.
// float16 has no room for a stream that grows.
func (f folding) dtype(stored dtypes.DType) dtypes.DType {
	scaled := f.embedding != 1
	for _, v := range f.blocks {
		scaled = scaled || v != 1
	}
	if scaled && (stored == dtypes.Float16 || !f.exact()) {
		return dtypes.Float32
	}
	return stored
}

// laidOut gives the parts of a path as a model of its own, and the configuration of
// that. c is the path's, with the dtype that its models are stored as.
func (r Recipe) laidOut(c checkpoint.Config) ([]part, checkpoint.Config, error) {
	f, err := r.fold(c)
	if err != nil {
		return nil, c, err
	}
	c.HopScales, c.DType = false, f.dtype(c.DType)
	var parts []part
	for _, p := range arch.Params(c) {
		if len(parts) == 0 || parts[len(parts)-1].params[0].Group != p.Group {
			parts = append(parts, r.laidOutPart(p.Group, f, c.DType))
		}
		last := &parts[len(parts)-1]
		last.params, last.places = append(last.params, p), append(last.places, place{name: p.Name})
	}
	return parts, c, nil
}

// laidOutPart is what a layer group of the laid out model is made of: one model's
// weights, some of them multiplied.
func (r Recipe) laidOutPart(g arch.Group, f folding, dtype dtypes.DType) part {
	source, shift := Source{Model: r.Base, Weight: Numbers(1)}, 0
	scaled := func(factor float64, filters ...string) {
		for _, name := range filters {
			source.Weight.Rules = append(source.Weight.Rules, Rule{Filter: name, Gradient: []float64{factor}})
		}
	}
	switch g.Part {
	case arch.Embedding:
		source.Weight = Numbers(f.embedding)
	case arch.Block:
		hop := r.Path[g.Block]
		source.Model, source.Weight, shift = hop.Model, Setting{}, hop.Layer-g.Block
		factor := f.blocks[g.Block]
		scaled(factor, "self_attn.o_proj", "mlp.down_proj")
		scaled(math.Copysign(1, factor), "input_layernorm", "post_attention_layernorm")
		scaled(1, "")
	case arch.Head:
		source.Weight = Setting{}
		scaled(f.norm, "model.norm")
		scaled(1, "")
	}
	alone := NewRecipe(Passthrough)
	alone.Sources, alone.DType = []Source{source}, checkpoint.TorchDType(dtype)
	return part{recipe: alone.settled(), shifts: []int{shift}}
}
