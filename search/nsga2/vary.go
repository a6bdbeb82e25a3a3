package nsga2

import (
	"math"

	"github.com/mergeway/mergeway/search/draw"
)

// cross makes two children of two parents: simulated binary crossover within the
// unit cube (Deb and Agrawal 1995), of every second coordinate on average.
func (o Options) cross(random *draw.Source, a, b []float64) [2][]float64 {
	first, second := append([]float64(nil), a...), append([]float64(nil), b...)
	if random.Uniform() >= o.Crossover {
		return [2][]float64{first, second}
	}
	for i := range first {
		mixes, u, swaps := random.Uniform() < 0.5, random.Uniform(), random.Uniform() < 0.5
		low, high := math.Min(a[i], b[i]), math.Max(a[i], b[i])
		if !mixes || high-low < smallestDistinctness {
			continue
		}
		spread := func(room float64) float64 {
			alpha := 2 - math.Pow(1+2*room/(high-low), -(o.CrossoverEta+1))
			if u <= 1/alpha {
				return math.Pow(u*alpha, 1/(o.CrossoverEta+1))
			}
			return math.Pow(1/(2-u*alpha), 1/(o.CrossoverEta+1))
		}
		first[i] = clip((low + high - spread(low)*(high-low)) / 2)
		second[i] = clip((low + high + spread(1-high)*(high-low)) / 2)
		if swaps {
			first[i], second[i] = second[i], first[i]
		}
	}
	return [2][]float64{first, second}
}

// mutate moves some coordinates: polynomial mutation within the unit cube (Deb and
// Goyal 1996).
func (o Options) mutate(random *draw.Source, v []float64) {
	exponent := 1 / (o.MutationEta + 1)
	for i := range v {
		changes, u := random.Uniform() < o.Mutation, random.Uniform()
		if !changes {
			continue
		}
		if u < 0.5 {
			v[i] += math.Pow(2*u+(1-2*u)*math.Pow(1-v[i], o.MutationEta+1), exponent) - 1
		} else {
			v[i] += 1 - math.Pow(2*(1-u)+2*(u-0.5)*math.Pow(v[i], o.MutationEta+1), exponent)
		}
		v[i] = clip(v[i])
	}
}

// clip moves a coordinate into the unit cube.
func clip(v float64) float64 { return math.Min(math.Max(v, 0), 1) }
