package merge

import (
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Method names one way of merging. Each is a row of one table, see [Methods].
type Method string

// The methods, named as mergekit names them.
const (
	Linear          Method = "linear"
	TaskArithmetic  Method = "task_arithmetic"
	TIES            Method = "ties"
	DARELinear      Method = "dare_linear"
	DARETIES        Method = "dare_ties"
	DELLALinear     Method = "della_linear"
	DELLA           Method = "della"
	Breadcrumbs     Method = "breadcrumbs"
	BreadcrumbsTIES Method = "breadcrumbs_ties"
	Passthrough     Method = "passthrough"
	SLERP           Method = "slerp"
	NuSLERP         Method = "nuslerp"
	MultiSLERP      Method = "multislerp"
	Karcher         Method = "karcher"
	ModelStock      Method = "model_stock"
	SCE             Method = "sce"
	NearSwap        Method = "nearswap"
	ArceeFusion     Method = "arcee_fusion"
	RAM             Method = "ram"
	RAMPlusTL       Method = "ramplus_tl"

	// Dataflow leaves weights as they are and says instead which way tokens take
	// through the blocks of several models (paper, section 3.2): a [Recipe.Path].
	// Nothing is merged, so it is no row of the methods' table and [Methods] does not
	// list it.
	Dataflow Method = "dataflow"
)

// The ways to make up for what sparsification drops from a task vector.
const (
	RescaleNone    = "none"    // keep the survivors as they are
	RescaleDensity = "density" // divide each survivor by the probability that it survives: DARE and DELLA as published
	RescaleL1      = "l1"      // give the survivors the L1 norm the task vector had: mergekit since 0.1.0
	RescaleL2      = "l2"      // give them its L2 norm
)

// The ways to elect a sign, in methods that do.
const (
	ConsensusSum   = "sum"   // of the sum of what the sources have to say: TIES as published
	ConsensusCount = "count" // of most of them, however little they say
)

// The ways to divide a tensor into the vectors that are compared and turned.
const (
	SpanTensor  = "tensor"  // it is one vector
	SpanRows    = "rows"    // each row is one: what goes into one output of a layer
	SpanColumns = "columns" // each column is one
)

// baseUse says what a method does with the base model's weights.
type baseUse int

const (
	ignoresBase baseUse = iota // nothing
	takesBase                  // merge differences from it, if there is one
	needsBase                  // merge differences from it, or with it
)

// sparsify says which entries of a task vector survive.
type sparsify int

const (
	keepAll       sparsify = iota // all of them
	magnitude                     // the largest ones: TIES's trim
	outliers                      // the largest ones but for the very largest: Model Breadcrumbs
	bernoulli                     // each with probability density: DARE's drop
	rankBernoulli                 // each with a probability that rises with its rank in its row: DELLA's drop
)

// consensus says which sources have a say in an entry of the merged tensor.
type consensus int

const (
	everyone    consensus = iota // all of them
	signOfSum                    // those whose sign is the sign of the sum: TIES's election
	signOfCount                  // those whose sign most of them have
)

// choices are the orthogonal decisions that make a method. The one graph in
// graph.go is built from them and never asks for a method's name; what is no
// weighted sum of differences brings a kernel of its own.
type choices struct {
	base         baseUse     // what is done with the base
	sparsify     sparsify    // what is dropped from each difference
	consensus    consensus   // who is heard in each entry
	normalize    bool        // default of Recipe.Normalize
	rescale      string      // default of Recipe.Rescale; "" where nothing is ever dropped
	fewest, most int         // sources; 0: one, and MaxSources
	weight       string      // what mergekit calls the sources' weights if not "weight"; "-": they have none
	unit         bool        // a weight that is not given is 1
	own          []parameter // what each source has besides
	shared       []parameter // what the whole merge has besides
	spans        []string    // what Recipe.Span may be, the default first
	byRows       bool        // rows are vectors, always
	kernel       kernel      // merges one tensor; nil: the graph of all weighted sums
}

// noWeight is choices.weight of methods that find out weights themselves.
const noWeight = "-"

// methods is the table: adding a method is adding a row.
var methods = map[Method]choices{
	Linear:          {normalize: true},
	TaskArithmetic:  {base: needsBase},
	TIES:            {base: needsBase, sparsify: magnitude, consensus: signOfSum, normalize: true, rescale: RescaleNone},
	DARELinear:      {base: needsBase, sparsify: bernoulli, rescale: RescaleDensity},
	DARETIES:        {base: needsBase, sparsify: bernoulli, consensus: signOfSum, rescale: RescaleDensity},
	DELLALinear:     {base: needsBase, sparsify: rankBernoulli, rescale: RescaleDensity, own: []parameter{probabilitySpread}},
	DELLA:           {base: needsBase, sparsify: rankBernoulli, consensus: signOfSum, normalize: true, rescale: RescaleDensity, own: []parameter{probabilitySpread}},
	Breadcrumbs:     {base: needsBase, sparsify: outliers, rescale: RescaleNone, own: []parameter{outlierShare}},
	BreadcrumbsTIES: {base: needsBase, sparsify: outliers, consensus: signOfSum, rescale: RescaleNone, own: []parameter{outlierShare}},
	Passthrough:     {most: 1, weight: "scale", unit: true},

	SLERP:       {base: needsBase, most: 1, weight: noWeight, shared: []parameter{{name: "t", low: -MaxScale, high: MaxScale, required: true}}, kernel: slerp},
	NuSLERP:     {base: takesBase, fewest: 2, most: 2, spans: []string{SpanTensor, SpanRows, SpanColumns}, kernel: nuslerp},
	MultiSLERP:  {base: takesBase, most: maxAngles, normalize: true, shared: []parameter{{name: "eps", fallback: 1e-8, high: 1}}, kernel: multislerp},
	Karcher:     {most: maxAngles, weight: noWeight, shared: []parameter{steps, {name: "tol", fallback: 1e-5, high: 1}}, kernel: karcher},
	ModelStock:  {base: needsBase, fewest: 2, most: maxAngles, weight: noWeight, spans: []string{SpanTensor, SpanRows}, kernel: modelStock},
	SCE:         {base: needsBase, weight: noWeight, shared: []parameter{{name: "select_topk", fallback: 1, high: 1}}, kernel: sce},
	NearSwap:    {base: needsBase, most: 1, weight: noWeight, shared: []parameter{{name: "t", high: MaxScale, required: true}}, kernel: nearSwap},
	ArceeFusion: {base: needsBase, most: 1, weight: noWeight, byRows: true, kernel: arceeFusion},
	RAM:         {base: needsBase, weight: noWeight, shared: []parameter{changed}, kernel: ram},
	RAMPlusTL: {base: needsBase, weight: noWeight, shared: []parameter{changed, {name: "r", fallback: 0.1, high: MaxScale},
		{name: "alpha", fallback: 0.2, high: MaxScale}}, kernel: ramPlus},
}

// parameter is a number that a method takes besides weights and densities.
type parameter struct {
	name      string // as mergekit has it
	fallback  float64
	required  bool // there is no fallback
	low, high float64
	whole     bool // an integer, the same in all tensors
	switches  bool // 1 for yes or 0 for no
}

// Parameters of several methods.
var (
	// probabilitySpread is how far the probabilities of an entry to be kept reach
	// from the density, down for the smallest of its row and up for the largest.
	probabilitySpread = parameter{name: "epsilon", fallback: 0.15, high: 0.5}
	// outlierShare is the share of a task vector that is too large to be kept.
	outlierShare = parameter{name: "gamma", fallback: 0.01, high: 1}
	// changed is how far from the base an entry is that counts as changed.
	changed = parameter{name: "epsilon", fallback: 1e-5, high: MaxScale}
	// steps is how often the mean is moved at most.
	steps = parameter{name: "max_iter", fallback: 10, low: 1, high: 100, whole: true}
)

// maxAngles is the largest number of sources of methods that look at the angle
// between each two.
const maxAngles = 16

// Methods lists the known methods in alphabetical order.
func Methods() []Method { return slices.Sorted(maps.Keys(methods)) }

// NeedsBase reports whether the method needs the weights of a base model, so
// that a recipe has to name one.
func (m Method) NeedsBase() bool { return methods[m].base == needsBase }

// Sparsifies reports whether the method drops entries, so that densities mean
// something to it.
func (m Method) Sparsifies() bool { return methods[m].sparsify != keepAll }

// Random reports whether the method draws random masks, so that a seed means
// something to it.
func (m Method) Random() bool {
	return methods[m].sparsify == bernoulli || methods[m].sparsify == rankBernoulli
}

// Weighs reports whether the method's sources have weights that are given, not
// found.
func (m Method) Weighs() bool { return methods[m].weight != noWeight }

// sums reports whether the method is a weighted sum of differences, or of the
// weights themselves.
func (c choices) sums() bool { return c.kernel == nil }

// normalizes reports whether Recipe.Normalize means something.
func (c choices) normalizes() bool { return c.sums() && !c.unit || c.normalize }

// scales reports whether Recipe.Lambda means something.
func (c choices) scales() bool { return c.sums() && c.base == needsBase }

// weightName is what mergekit calls the sources' weights.
func (c choices) weightName() string {
	if c.weight == "" {
		return "weight"
	}
	return c.weight
}

// ownNames are the parameters that each source has, as mergekit names them.
func (c choices) ownNames() []string {
	var names []string
	if c.weight != noWeight {
		names = append(names, c.weightName())
	}
	if c.sparsify != keepAll {
		names = append(names, "density")
	}
	return append(names, namesOf(c.own)...)
}

// namesOf lists names of parameters.
func namesOf(parameters []parameter) []string {
	names := make([]string, len(parameters))
	for i, p := range parameters {
		names[i] = p.name
	}
	return names
}

// choices looks the method up.
func (m Method) choices() (choices, error) {
	c, ok := methods[m]
	if !ok {
		return choices{}, fault.Bad("method", "unknown merge method %q: it is one of %s", string(m), methodNames())
	}
	return c, nil
}

// methodNames lists the methods, for messages.
func methodNames() string {
	names := make([]string, 0, len(methods)+1)
	for _, name := range append(Methods(), Dataflow) {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}
