package merge

import (
	"strconv"

	"github.com/mergeway/mergeway/infer/arch"
)

// Grouping says how finely a model is divided: every layer group has its own
// weight and density for every source. The paper's layer groups are the
// embedding, each block, and the head with the final norm ("blocks"); its
// reported model uses the coarsest grouping ("model").
type Grouping string

// The groupings, from coarse to fine.
const (
	WholeModel Grouping = "model"  // one group
	Ends       Grouping = "ends"   // embedding, all blocks, head
	Halves     Grouping = "halves" // embedding, lower half of the blocks, upper half, head
	Blocks     Grouping = "blocks" // embedding, each block, head
)

// Groupings lists the groupings from coarse to fine.
func Groupings() []Grouping { return []Grouping{WholeModel, Ends, Halves, Blocks} }

// known reports whether g is one of the groupings.
func (g Grouping) known() bool {
	switch g {
	case WholeModel, Ends, Halves, Blocks:
		return true
	}
	return false
}

// Count is the number of layer groups in a model of so many blocks, 0 for an
// unknown grouping.
func (g Grouping) Count(layers int) int { return len(g.Labels(layers)) }

// Labels names the layer groups in order, for tables and plots.
func (g Grouping) Labels(layers int) []string {
	switch g {
	case WholeModel:
		return []string{"model"}
	case Ends:
		return []string{"embedding", "blocks", "head"}
	case Halves:
		return []string{"embedding", "lower", "upper", "head"}
	case Blocks:
		labels := make([]string, 0, layers+2)
		labels = append(labels, "embedding")
		for i := range layers {
			labels = append(labels, "block "+strconv.Itoa(i))
		}
		return append(labels, "head")
	}
	return nil
}

// fixedCount is Count where it doesn't depend on the model, else 0.
func (g Grouping) fixedCount() int {
	if g == Blocks {
		return 0
	}
	return g.Count(0)
}

// Index says to which layer group a tensor of a model of so many blocks belongs.
// Of an odd number of blocks, the one in the middle is in the lower half.
func (g Grouping) Index(group arch.Group, layers int) int {
	switch {
	case g == WholeModel || group.Part == arch.Embedding:
		return 0
	case group.Part == arch.Head:
		return g.Count(layers) - 1
	case g == Halves && 2*group.Block >= layers:
		return 2
	case g == Blocks:
		return 1 + group.Block
	}
	return 1
}

// block is Index for a block.
func (g Grouping) block(i, layers int) int {
	return g.Index(arch.Group{Part: arch.Block, Block: i}, layers)
}
