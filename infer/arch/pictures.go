package arch

import (
	"github.com/gomlx/gomlx/core/graph"
)

// Option says what a pass has that not every one has.
type Option func(*decoder)

func (d *decoder) apply(options []Option) {
	for _, o := range options {
		o(d)
	}
}

// Seeing puts hidden states in the place of tokens: where mask (bool [B, T]) is set,
// what comes to the first block is not a token's embedding but its row of features
// [B, T, D], as [See] gives them. The token there may be any number.
func Seeing(features, mask *graph.Node) Option {
	return func(d *decoder) { d.pictures = pictures{features, mask} }
}

// pictures are what stands in the place of tokens; the zero value: nothing.
type pictures struct{ features, mask *graph.Node }

// withoutTokens gives tokens that all have an embedding.
func (p pictures) withoutTokens(tokens *graph.Node) *graph.Node {
	if p.mask == nil {
		return tokens
	}
	return graph.Where(p.mask, graph.ZerosLike(tokens), tokens)
}

// place puts features where they belong among embeddings x [B, T, D].
func (p pictures) place(x *graph.Node) *graph.Node {
	if p.mask == nil {
		return x
	}
	mask := graph.BroadcastToDims(graph.ExpandDims(p.mask, -1), x.Shape().Dimensions...)
	return graph.Where(mask, graph.ConvertDType(p.features, x.DType()), x)
}
