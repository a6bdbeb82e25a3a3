// Package pareto compares candidates that have several values, all of which are
// better the larger they are: which of them no other beats, how far apart those lie,
// and how much of the space of values they cover.
package pareto

import (
	"cmp"
	"math"
	"slices"
)

// Dominates reports whether a is nowhere worse than b, and somewhere better.
func Dominates(a, b []float64) bool {
	better := false
	for i := range a {
		if a[i] < b[i] {
			return false
		}
		better = better || a[i] > b[i]
	}
	return better
}

// Fronts sorts candidates into fronts: the first are those that nobody dominates,
// the second those that only the first dominate, and so on (Deb et al. 2002). Within
// a front they keep their order.
func Fronts(values [][]float64) [][]int {
	beats := make([][]int, len(values)) // whom each dominates
	beaten := make([]int, len(values))  // by how many each is dominated
	for i := range values {
		for j := range i {
			switch {
			case Dominates(values[i], values[j]):
				beats[i] = append(beats[i], j)
				beaten[j]++
			case Dominates(values[j], values[i]):
				beats[j] = append(beats[j], i)
				beaten[i]++
			}
		}
	}
	var front []int
	for i, n := range beaten {
		if n == 0 {
			front = append(front, i)
		}
	}
	var fronts [][]int
	for len(front) > 0 {
		fronts = append(fronts, front)
		var next []int
		for _, i := range front {
			for _, j := range beats[i] {
				if beaten[j]--; beaten[j] == 0 {
					next = append(next, j)
				}
			}
		}
		slices.Sort(next)
		front = next
	}
	return fronts
}

// Crowding says how lonely each candidate of one front is: the mean, over the
// values, of the gap between its neighbours, as a share of the front's extent. The
// ends of a front are infinitely lonely.
func Crowding(values [][]float64) []float64 {
	distances := make([]float64, len(values))
	if len(values) == 0 {
		return distances
	}
	order := make([]int, len(values))
	for k := range values[0] {
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a][k], values[b][k]) })
		first, last := order[0], order[len(order)-1]
		extent := values[last][k] - values[first][k]
		distances[first], distances[last] = math.Inf(1), math.Inf(1)
		if extent == 0 {
			continue
		}
		for i := 1; i < len(order)-1; i++ {
			gap := values[order[i+1]][k] - values[order[i-1]][k]
			distances[order[i]] += gap / extent / float64(len(values[0]))
		}
	}
	return distances
}

// Hypervolume is the volume of what lies between a reference point and at least one
// of the candidates. It grows with each candidate that none of the others dominates.
func Hypervolume(values [][]float64, reference []float64) float64 {
	var above [][]float64
	for _, v := range values {
		if exceeds(v, reference) {
			above = append(above, v)
		}
	}
	return volume(above, reference)
}

// exceeds reports whether v is larger than the reference in every value.
func exceeds(v, reference []float64) bool {
	for i := range v {
		if !(v[i] > reference[i]) {
			return false
		}
	}
	return true
}

// volume cuts the space into slices along the last value, in each of which the
// candidates that reach it cover a volume of one dimension less.
func volume(values [][]float64, reference []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	last := len(reference) - 1
	byLast := slices.Clone(values)
	slices.SortStableFunc(byLast, func(a, b []float64) int { return cmp.Compare(b[last], a[last]) })
	if last == 0 {
		return byLast[0][0] - reference[0]
	}
	var sum float64
	flat := make([][]float64, 0, len(byLast))
	for i, v := range byLast {
		flat = append(flat, v[:last])
		floor := reference[last]
		if i+1 < len(byLast) {
			floor = byLast[i+1][last]
		}
		if v[last] > floor {
			sum += (v[last] - floor) * volume(flat, reference[:last])
		}
	}
	return sum
}
