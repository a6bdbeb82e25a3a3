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
	Linear         Method = "linear"
	TaskArithmetic Method = "task_arithmetic"
	TIES           Method = "ties"
	DARELinear     Method = "dare_linear"
	DARETIES       Method = "dare_ties"
)

// The ways to make up for what sparsification drops from a task vector.
const (
	RescaleNone    = "none"    // keep the survivors as they are
	RescaleDensity = "density" // divide the survivors by the density: DARE as published
	RescaleL1      = "l1"      // give the survivors the L1 norm the task vector had: mergekit since 0.1.0
)

// baseUse says what a method does with the base model's weights.
type baseUse int

const (
	ignoresBase baseUse = iota // nothing
	needsBase                  // merge differences from it, or with it
)

// sparsify says which entries of a task vector survive.
type sparsify int

const (
	keepAll   sparsify = iota // all of them
	magnitude                 // the largest ones: TIES's trim
	bernoulli                 // each with probability density: DARE's drop
)

// consensus says which sources have a say in an entry of the merged tensor.
type consensus int

const (
	everyone  consensus = iota // all of them
	signOfSum                  // those whose sign is the sign of the sum: TIES's election
)

// choices are the orthogonal decisions that make a method. The one graph in
// graph.go is built from them and never asks for a method's name.
type choices struct {
	base      baseUse   // what is done with the base
	sparsify  sparsify  // what is dropped from each difference
	consensus consensus // who is heard in each entry
	normalize bool      // default of Recipe.Normalize
	rescale   string    // default of Recipe.Rescale; "" where nothing is ever dropped
}

// methods is the table: adding a method is adding a row.
var methods = map[Method]choices{
	Linear:         {normalize: true},
	TaskArithmetic: {base: needsBase},
	TIES:           {base: needsBase, sparsify: magnitude, consensus: signOfSum, normalize: true, rescale: RescaleNone},
	DARELinear:     {base: needsBase, sparsify: bernoulli, rescale: RescaleDensity},
	DARETIES:       {base: needsBase, sparsify: bernoulli, consensus: signOfSum, rescale: RescaleDensity},
}

// Methods lists the known methods in alphabetical order.
func Methods() []Method { return slices.Sorted(maps.Keys(methods)) }

// NeedsBase reports whether the method merges differences from a base model,
// so that a recipe has to name one.
func (m Method) NeedsBase() bool { return methods[m].base == needsBase }

// Sparsifies reports whether the method drops entries, so that densities mean
// something to it.
func (m Method) Sparsifies() bool { return methods[m].sparsify != keepAll }

// Random reports whether the method draws random masks, so that a seed means
// something to it.
func (m Method) Random() bool { return methods[m].sparsify == bernoulli }

// ownNames are the parameters that each source has, as mergekit names them.
func (c choices) ownNames() []string {
	names := []string{"weight"}
	if c.sparsify != keepAll {
		names = append(names, "density")
	}
	return names
}

// sharedNames are the parameters of the whole merge, as mergekit names them.
func (c choices) sharedNames() []string {
	names := []string{"normalize"}
	if c.base == needsBase {
		names = append(names, "lambda")
	}
	if c.sparsify != keepAll {
		names = append(names, "rescale")
	}
	return append(names, "int8_mask")
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
	names := make([]string, 0, len(methods))
	for _, name := range Methods() {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}
