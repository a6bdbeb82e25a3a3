package merge

import (
	"cmp"
	"math"
	"slices"
)

// This file goes on merging on paper: what is no weighted sum, with whole vectors
// in float64, as the formulas in doc.go have it.

type vector []float64

func (a vector) times(f float64) vector {
	out := make(vector, len(a))
	for i := range a {
		out[i] = f * a[i]
	}
	return out
}

func (a vector) plus(b vector) vector {
	out := make(vector, len(a))
	for i := range a {
		out[i] = a[i] + b[i]
	}
	return out
}

func (a vector) dot(b vector) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func (a vector) length() float64 { return math.Sqrt(a.dot(a)) }

// kernelByHand merges one tensor vector by vector.
func kernelByHand(r Recipe, p place, shape []int, base []float32, sources [][]float32) []float64 {
	size := len(sources[0])
	rows, columns := 1, size
	if len(shape) > 1 {
		rows, columns = shape[0], shape[1]
	}
	var vectors [][]int // the entries of each
	switch {
	case r.Span == SpanRows && len(shape) > 1:
		for i := range rows {
			var v []int
			for j := range columns {
				v = append(v, i*columns+j)
			}
			vectors = append(vectors, v)
		}
	case r.Span == SpanColumns && len(shape) > 1:
		for j := range columns {
			var v []int
			for i := range rows {
				v = append(v, i*columns+j)
			}
			vectors = append(vectors, v)
		}
	default:
		var v []int
		for e := range size {
			v = append(v, e)
		}
		vectors = [][]int{v}
	}
	out := make([]float64, size)
	for _, entries := range vectors {
		pick := func(x []float32) vector {
			if x == nil {
				return nil
			}
			var v vector
			for _, e := range entries {
				v = append(v, float64(x[e]))
			}
			return v
		}
		var all []vector
		for _, s := range sources {
			all = append(all, pick(s))
		}
		if r.Method == Karcher || r.Method == Linear {
			base = nil // it only lends its configuration
		}
		merged := vectorByHand(r, p, columns, pick(base), all)
		for i, e := range entries {
			out[e] = merged[i]
		}
	}
	return out
}

// vectorByHand merges one vector; columns is the length of a row.
func vectorByHand(r Recipe, p place, columns int, base vector, x []vector) vector {
	n := len(x)
	number := func(name string) float64 {
		for _, q := range methods[r.Method].shared {
			if q.name == name {
				return r.Parameters[name].at(p, q.fallback)
			}
		}
		panic(name)
	}
	weights := make(vector, n)
	for i, s := range r.Sources {
		weights[i] = s.Weight.at(p, 0)
	}
	tau := make([]vector, n)
	for i := range x {
		if tau[i] = x[i]; base != nil {
			tau[i] = x[i].plus(base.times(-1))
		}
	}
	add := func(v vector) vector {
		if base != nil {
			return v.plus(base)
		}
		return v
	}
	arc := func(t float64, a, b vector, cosine float64, straight bool) vector {
		if straight {
			return a.times(1 - t).plus(b.times(t))
		}
		theta := math.Acos(cosine)
		return a.times(math.Sin((1 - t) * theta)).plus(b.times(math.Sin(t * theta))).times(1 / math.Sin(theta))
	}
	clip := func(v, low, high float64) float64 { return math.Min(math.Max(v, low), high) }
	switch r.Method {
	case SLERP:
		la, lb := base.length(), x[0].length()
		if la <= 1e-8 {
			la = 1
		}
		if lb <= 1e-8 {
			lb = 1
		}
		cosine := clip(base.dot(x[0])/(la*lb), -1, 1)
		return arc(number("t"), base, x[0], cosine, math.Abs(cosine) > 0.9995)
	case NuSLERP:
		t := 0.5
		if sum := weights[0] + weights[1]; math.Abs(sum) >= 1e-6 {
			t = weights[1] / sum
		}
		cosine := clip(tau[0].dot(tau[1])/(math.Max(tau[0].length(), 1e-7)*math.Max(tau[1].length(), 1e-7)), -1, 1)
		return add(arc(t, tau[0], tau[1], cosine, 1-cosine*cosine <= 1e-16))
	case MultiSLERP:
		if normalizesByHand(r, p) {
			var sum float64
			for _, w := range weights {
				sum += w
			}
			weights = weights.times(1 / sum)
		}
		eps := number("eps")
		mean, size := make(vector, len(x[0])), 0.0
		var units []vector
		for i := range tau {
			units = append(units, tau[i].times(1/(tau[i].length()+eps)))
			mean, size = mean.plus(units[i].times(weights[i])), size+weights[i]*tau[i].length()
		}
		mean = mean.times(1 / mean.length())
		tangent := make(vector, len(mean))
		for i := range units {
			tangent = tangent.plus(units[i].plus(mean.times(-units[i].dot(mean))).times(weights[i]))
		}
		turn := tangent.length() + eps
		return add(mean.times(math.Cos(turn)).plus(tangent.times(math.Sin(turn) / turn)).times(size))
	case Karcher:
		var units []vector
		mean, size := make(vector, len(x[0])), 0.0
		for i := range x {
			units = append(units, x[i].times(1/x[i].length()))
			mean, size = mean.plus(units[i]), size+x[i].length()/float64(n)
		}
		mean = mean.times(1 / mean.length())
		for range int(number("max_iter")) {
			tangent := make(vector, len(mean))
			for _, u := range units {
				cosine := clip(u.dot(mean), -1, 1)
				if theta := math.Acos(cosine); theta >= number("tol") {
					tangent = tangent.plus(u.plus(mean.times(-cosine)).times(theta / math.Sin(theta) / float64(n)))
				}
			}
			turn := tangent.length()
			if turn < number("tol") {
				break
			}
			mean = mean.times(math.Cos(turn)).plus(tangent.times(math.Sin(turn) / turn))
			mean = mean.times(1 / mean.length())
		}
		return mean.times(size)
	case ModelStock:
		var cosine, pairs float64
		mean := make(vector, len(base))
		for i := range tau {
			mean = mean.plus(tau[i].times(1 / float64(n)))
			for j := range i {
				pairs++
				cosine += clip(tau[i].dot(tau[j])/math.Max(tau[i].length()*tau[j].length(), 1e-6), -1, 1)
			}
		}
		cosine /= pairs
		return add(mean.times(float64(n) * cosine / (1 + float64(n-1)*cosine)))
	case ArceeFusion:
		return fusionByHand(base, x[0], columns)
	}
	return entriesByHand(r, number, base, tau)
}

// fusionByHand is Arcee Fusion.
func fusionByHand(base, source vector, columns int) vector {
	softmax := func(x vector) vector {
		var sum float64
		out := make(vector, len(x))
		for i, v := range x {
			out[i] = math.Exp(v - slices.Max(x))
			sum += out[i]
		}
		for i := range out {
			out[i] = out[i]/sum + 1e-8
		}
		return out
	}
	importance := make([]float32, len(base))
	for row := 0; row < len(base); row += columns {
		p, q := softmax(source[row:row+columns]), softmax(base[row:row+columns])
		var divergence float64
		for i := range p {
			divergence += p[i] * math.Log(p[i]/q[i])
		}
		for i := range p {
			importance[row+i] = float32(math.Abs(source[row+i]-base[row+i]) * divergence)
		}
	}
	sorted := slices.Sorted(slices.Values(importance))
	quartile := func(i int) float32 { return sorted[i*(len(sorted)-1)/4] }
	threshold := quartile(2) + 1.5*(quartile(3)-quartile(1))
	out := slices.Clone(base)
	for i := range out {
		if importance[i] >= threshold {
			out[i] = source[i]
		}
	}
	return out
}

// entriesByHand are the methods that decide entry by entry.
func entriesByHand(r Recipe, number func(string) float64, base vector, tau []vector) vector {
	n, out := len(tau), slices.Clone(base)
	energy, alone, shared := make(vector, n), make(vector, n), make(vector, n)
	keep := make([]bool, len(base))
	counts := make(vector, len(base))
	changed := func(i, e int) bool {
		return math.Abs(float64(float32(tau[i][e]))) > float64(float32(number("epsilon")))
	}
	switch r.Method {
	case SCE:
		keep = variedByHand(tau, number("select_topk"))
	case RAM, RAMPlusTL:
		for e := range base {
			for i := range tau {
				if changed(i, e) {
					counts[e]++
				}
			}
			for i := range tau {
				if changed(i, e) && counts[e] == 1 {
					alone[i]++
				} else if changed(i, e) {
					shared[i]++
				}
			}
		}
	}
	var all float64
	for i := range tau {
		for e, v := range tau[i] {
			if keep[e] {
				energy[i] += v * v / float64(len(base))
			}
		}
		all += energy[i]
	}
	for e := range out {
		var total, sum, divisor float64
		for i := range tau {
			total += tau[i][e]
		}
		for i := range tau {
			v := tau[i][e]
			switch r.Method {
			case NearSwap:
				sum += v * math.Min(number("t")/math.Max(math.Abs(v), 1e-6), 1)
			case SCE:
				weight := 1 / float64(n)
				if all >= 1e-6 {
					weight = energy[i] / all
				}
				if keep[e] && (total >= 0 && v > 0 || total < 0 && v < 0) {
					sum, divisor = sum+weight*v, divisor+weight
				}
			case RAM, RAMPlusTL:
				switch {
				case !changed(i, e):
				case counts[e] > 1:
					sum += v / counts[e]
				case r.Method == RAM:
					sum += v
				default:
					overlap := math.Min(shared[i]/math.Max(alone[i], number("epsilon")), number("alpha"))
					sum += v * (1 + number("r")*overlap)
				}
			}
		}
		if r.Method == SCE {
			sum /= math.Max(divisor, 1e-6)
		}
		out[e] += sum
	}
	return out
}

// variedByHand says in which entries the differences vary most.
func variedByHand(tau []vector, share float64) []bool {
	n := float64(len(tau))
	variance := make([]float64, len(tau[0]))
	order := make([]int, len(variance))
	some := 0
	for e := range variance {
		var mean float64
		for i := range tau {
			mean += tau[i][e] / n
		}
		for i := range tau {
			variance[e] += (tau[i][e] - mean) * (tau[i][e] - mean) / n
		}
		if order[e] = e; variance[e] > 0 {
			some++
		}
	}
	keep := make([]bool, len(variance))
	if share >= 1 {
		for e := range keep {
			keep[e] = true
		}
		return keep
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(variance[b], variance[a]) })
	for _, e := range order[:int(float32(some)*float32(share))] {
		keep[e] = true
	}
	return keep
}
