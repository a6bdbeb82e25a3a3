// Package baseline proposes candidates without learning: at random, or on a grid.
// Whoever claims that an optimizer finds something compares it with these.
package baseline

// DefaultPopulation is the size of a generation. It means little here: candidates
// don't depend on the generation before.
const DefaultPopulation = 16

// The limits of searches.
const (
	MaxDim        = 8192
	MaxPopulation = 4096
	MaxPoints     = 20_000 // of a grid
)
