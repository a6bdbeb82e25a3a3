package merge

import (
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// What a recipe says of all tensors in fields of its own, Lambda, Normalize and
// Rescale, parameters of the same names may say of each: a lambda, and whether it is
// normalised and whether it is rescaled, in the way that Rescale names.
const (
	normalizeName = "normalize"
	rescaleName   = "rescale"
)

// wholeMerge lists the parameters that the whole merge may have.
func (c choices) wholeMerge() []parameter {
	return append(c.each(), c.shared...)
}

// each lists the parameters that say of each tensor what fields say of all.
func (c choices) each() []parameter {
	var all []parameter
	if c.normalizes() {
		all = append(all, parameter{name: normalizeName, high: 1, switches: true})
	}
	if c.scales() {
		all = append(all, parameter{name: lambdaName, low: -MaxScale, high: MaxScale})
	}
	if c.sparsify != keepAll {
		all = append(all, parameter{name: rescaleName, high: 1, switches: true})
	}
	return all
}

// holds reports whether a setting of zeros and ones says yes in a tensor. Between yes
// and no there is nothing, so that gradients are stairs: the last value is that of the
// last block alone, as in mergekit.
func (s Setting) holds(p place, fallback bool) bool {
	for _, r := range s.Rules {
		if strings.Contains(p.name, r.Filter) {
			return r.Gradient[int(p.depth*float64(len(r.Gradient)-1))] != 0
		}
	}
	return Setting{Values: s.Values}.at(p, truth(fallback)) != 0
}

// truth is how a setting says yes or no.
func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// normalizesAt reports whether a tensor is normalised.
func (r Recipe) normalizesAt(p place) bool { return r.Parameters[normalizeName].holds(p, r.Normalize) }

// rescalesAt reports whether what is kept of differences is rescaled in a tensor.
func (r Recipe) rescalesAt(p place) bool {
	return r.Rescale != RescaleNone && r.Parameters[rescaleName].holds(p, true)
}

// normalizesAny reports whether there may be tensors that are normalised.
func (r Recipe) normalizesAny() bool {
	return r.Normalize || slices.Contains(r.Parameters[normalizeName].numbers(), 1)
}

// settleEach takes what was given for each tensor into the recipe's normal form, in
// which fields say what is the same in all.
func (r *Recipe) settleEach(given Parameters) {
	r.settleLambda(given[lambdaName])
	if s := given[normalizeName]; !s.IsZero() {
		fallback := truth(r.Normalize)
		s = s.normal(&fallback)
		v, uniform := s.uniform()
		if r.Normalize = uniform && v != 0; !uniform {
			r.Parameters = r.Parameters.with(normalizeName, s)
		}
	}
	if s := given[rescaleName]; !s.IsZero() && r.Rescale != RescaleNone {
		fallback := 1.0
		s = s.normal(&fallback)
		switch v, uniform := s.uniform(); {
		case !uniform:
			r.Parameters = r.Parameters.with(rescaleName, s)
		case v == 0:
			r.Rescale = RescaleNone
		}
	}
}

// settleTogether gives slices, in the normal form of each, the fields that they have in
// common; where they have not, each that differs says so in a parameter.
func (r *Recipe) settleTogether(alone []Recipe) {
	same := func(is func(a, b Recipe) bool) bool {
		return !slices.ContainsFunc(alone, func(a Recipe) bool { return !is(a, alone[0]) })
	}
	say := func(i int, name string, v float64) {
		if alone[i].Parameters[name].IsZero() {
			alone[i].Parameters = alone[i].Parameters.with(name, Numbers(v))
		}
	}
	r.Lambda, r.Normalize, r.Rescale = alone[0].Lambda, alone[0].Normalize, alone[0].Rescale
	if !same(func(a, b Recipe) bool { return a.Lambda == b.Lambda }) {
		r.Lambda = 1
	}
	if !same(func(a, b Recipe) bool { return a.Normalize == b.Normalize }) {
		r.Normalize = false
	}
	for _, a := range alone {
		if a.Rescale != RescaleNone {
			r.Rescale = a.Rescale
		}
	}
	for i, a := range alone {
		if a.Lambda != r.Lambda {
			say(i, lambdaName, a.Lambda)
		}
		if a.Normalize != r.Normalize {
			say(i, normalizeName, 1)
		}
		if a.Rescale != r.Rescale {
			say(i, rescaleName, 0)
		}
	}
}

// validateEach refuses to rescale without being told how.
func (r Recipe) validateEach() error {
	if r.Rescale == RescaleNone && slices.Contains(r.Parameters[rescaleName].numbers(), 1) {
		return fault.Bad("rescale", "parameters.rescale says which tensors are rescaled, and rescale says none: it is how, %s, %s or %s", RescaleDensity, RescaleL1, RescaleL2)
	}
	return nil
}
