package elites

import (
	"math"
	"slices"
)

// Cell is the best candidate of its kind.
type Cell struct {
	// Bins says what kind: by value the bin that it is in; -1 at the archive's own.
	Bins []int `json:"bins"`
	// Number counts the candidates of a search from 0.
	Number int       `json:"number"`
	Genome []float64 `json:"genome"`
	Values []float64 `json:"values"` // by objective, larger being better
}

// archive is cells in the order of their bins. It never changes: offered makes
// another one.
type archive []Cell

// offered is the archive after a candidate: it takes the place of the one of its
// kind if its quality is better.
func (a archive) offered(quality int, c Cell, bins int) archive {
	c.Bins = make([]int, len(c.Values))
	for i, v := range c.Values {
		c.Bins[i] = int(math.Min(math.Max(math.Floor(v*float64(bins)), 0), float64(bins-1)))
	}
	c.Bins[quality] = -1
	at, there := slices.BinarySearchFunc(a, c, func(x, y Cell) int { return slices.Compare(x.Bins, y.Bins) })
	if !there {
		return slices.Insert(slices.Clone(a), at, c)
	}
	if c.Values[quality] <= a[at].Values[quality] {
		return a
	}
	next := slices.Clone(a)
	next[at] = c
	return next
}

// The least and largest factor of a value in the chance to become a parent.
const (
	alphaLow  = 0.5
	alphaHigh = 0.8
)

// chances says how likely each cell becomes a parent, up to a common factor:
// CycleQD's product over the values, each scaled to the archive's extent.
func (a archive) chances() []float64 {
	out := make([]float64, len(a))
	for i := range out {
		out[i] = 1
	}
	if len(a) == 0 {
		return out
	}
	for k := range a[0].Values {
		low, high := math.Inf(1), math.Inf(-1)
		for _, c := range a {
			low, high = math.Min(low, c.Values[k]), math.Max(high, c.Values[k])
		}
		for i, c := range a {
			share := 0.5
			if high > low {
				share = (c.Values[k] - low) / (high - low)
			}
			out[i] *= alphaLow + share*(alphaHigh-alphaLow)
		}
	}
	return out
}
