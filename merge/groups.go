package merge

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/infer/arch"
)

// Grouping says how finely a model is divided: every layer group has its own
// weight and density for every source. The paper's layer groups are the
// embedding, each block, and the head with the final norm ("blocks"); its
// reported model uses the coarsest grouping ("model").
type Grouping string

// The groupings, from coarse to fine. [BlocksOf] makes those between the last two.
const (
	WholeModel Grouping = "model"  // one group
	Ends       Grouping = "ends"   // embedding, all blocks, head
	Halves     Grouping = "halves" // embedding, lower half of the blocks, upper half, head
	Blocks     Grouping = "blocks" // embedding, each block, head
)

// runPrefix begins the groupings by runs of blocks.
const runPrefix = string(Blocks) + "/"

// BlocksOf is the grouping by runs of so many blocks, "blocks/4": embedding, blocks 0
// to 3, 4 to 7 and so on, head. The last run may be shorter. [Blocks] are runs of one.
func BlocksOf(run int) Grouping {
	if run == 1 {
		return Blocks
	}
	return Grouping(runPrefix + strconv.Itoa(run))
}

// Groupings lists the groupings from coarse to fine, but for those by runs.
func Groupings() []Grouping { return []Grouping{WholeModel, Ends, Halves, Blocks} }

// run is the number of blocks in a group, where groups are runs of blocks; else 0.
func (g Grouping) run() int {
	if g == Blocks {
		return 1
	}
	text, ok := strings.CutPrefix(string(g), runPrefix)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 2 || n > MaxGradient || g != BlocksOf(n) {
		return 0
	}
	return n
}

// known reports whether g is one of the groupings.
func (g Grouping) known() bool {
	switch g {
	case WholeModel, Ends, Halves:
		return true
	}
	return g.run() > 0
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
	}
	run := g.run()
	if run == 0 {
		return nil
	}
	labels := make([]string, 0, layers/run+3)
	labels = append(labels, "embedding")
	for first := 0; first < layers; first += run {
		if last := min(first+run, layers) - 1; last > first {
			labels = append(labels, fmt.Sprintf("blocks %d-%d", first, last))
		} else {
			labels = append(labels, "block "+strconv.Itoa(first))
		}
	}
	return append(labels, "head")
}

// fixedCount is Count where it doesn't depend on the model, else 0.
func (g Grouping) fixedCount() int {
	if g.run() > 0 {
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
	}
	if run := g.run(); run > 0 {
		return 1 + group.Block/run
	}
	return 1
}

// block is Index for a block.
func (g Grouping) block(i, layers int) int {
	return g.Index(arch.Group{Part: arch.Block, Block: i}, layers)
}
