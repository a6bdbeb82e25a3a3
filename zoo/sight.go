package zoo

import (
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// sight is the part of a model that sees, while it is trained together with a
// decoder.
type sight struct {
	config checkpoint.VisionConfig
	most   int // tiles of a batch
}

// view is the room that batches have for pictures.
func (s *sight) view() view {
	if s == nil {
		return view{}
	}
	side := s.config.ImageSize
	return view{tiles: s.most, size: 3 * side * side, features: s.config.Features()}
}

// params are the tensors that see.
func (s *sight) params(decoder checkpoint.Config) []arch.Param {
	return arch.VisionParams(s.config, decoder.HiddenSize)
}

// show gives what stands in the place of tokens, and where: features [B, T, D] and
// mask bool [B, T], from tiles f32 [N, 3, S, S] and the places int32 [B, T] of a batch.
func (s *sight) show(decoder checkpoint.Config, nodes []*graph.Node, tiles, places *graph.Node) (features, mask *graph.Node) {
	w := arch.BindVision(s.config, decoder.HiddenSize, nodes)
	states := graph.Reshape(arch.See(s.config, w, tiles), -1, decoder.HiddenSize)
	newline := graph.ExpandDims(w[checkpoint.NewlineName], 0)
	states = graph.Concatenate([]*graph.Node{states, newline}, 0) // [N·P+1, D]
	mask = graph.GreaterOrEqual(places, graph.ZerosLike(places))
	at := graph.ExpandDims(graph.Max(places, graph.ZerosLike(places)), -1)
	return graph.Gather(states, at), mask
}

// tiles are those of a batch as a tensor.
func (s *sight) tiles(values []float32) *tensors.Tensor {
	side := s.config.ImageSize
	return tensors.FromFlatDataAndDimensions(values, s.most, 3, side, side)
}

// initial draws the weights of a part that has seen nothing.
func (s *sight) initial(decoder checkpoint.Config, seed uint64) []*tensors.Tensor {
	return drawWeights(newRand(seed, "initial sight"), s.params(decoder), func(p arch.Param) float64 {
		if len(p.Shape) == 1 || strings.Contains(p.Name, "embedding") {
			return 0.02
		}
		return 0.05
	})
}
