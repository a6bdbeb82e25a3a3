package merge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// validateSettings checks the numbers of a source that stands at a path.
func (s Source) validateSettings(c choices, m Method, at string, count *groupCount) error {
	if err := s.validateWeight(c, m, at+"weight", count); err != nil {
		return err
	}
	if err := s.Parameters.validate(at+"parameters", c.own, m, count); err != nil {
		return err
	}
	return s.Density.validate(at+"density", count, func(param string, d float64) error {
		if !(d > 0 && d <= 1) { // also refuses NaN
			return fault.Bad(param, "density %v: it is the share of entries to keep, more than 0 and at most 1", d)
		}
		if d != 1 && c.sparsify == keepAll {
			return fault.Bad(param, "%q keeps every entry: it takes no density", string(m))
		}
		return nil
	})
}

// validateWeight checks the weight of a source, or that there is none.
func (s Source) validateWeight(c choices, m Method, at string, count *groupCount) error {
	switch {
	case c.weight == noWeight && s.Weight.IsZero():
		return nil
	case c.weight == noWeight:
		return fault.Bad(at, "%q finds weights out by itself: it takes none", string(m))
	case s.Weight.IsZero():
		return fault.Bad(at, "a source needs a weight: one number, or one for each layer group")
	case !s.Weight.covers():
		return fault.Bad(at, "the rules leave tensors without a weight: end with a rule that has no filter")
	}
	return s.Weight.validate(at, count, checkScale)
}

// validate checks that the parameters are some of a method's, and their numbers.
func (p Parameters) validate(param string, known []parameter, m Method, count *groupCount) error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Contains(namesOf(known), name) {
			return fault.Bad(param+"."+name, "%q takes no parameter %q here: known are %v", string(m), name, namesOf(known))
		}
	}
	for _, q := range known {
		at, s := param+"."+q.name, p[q.name]
		if q.required && !s.covers() {
			return fault.Bad(at, "%q needs %q, in every tensor", string(m), q.name)
		}
		if _, uniform := s.uniform(); q.whole && !uniform && !s.IsZero() {
			return fault.Bad(at, "%q is one number", q.name)
		}
		err := s.validate(at, count, func(param string, v float64) error {
			if q.switches && v != 0 && v != 1 {
				return fault.Bad(param, "%v is not a value for %q: it is 1 for yes or 0 for no", v, q.name)
			}
			if !(v >= q.low && v <= q.high) || q.whole && v != math.Trunc(v) { // also refuses NaN
				return fault.Bad(param, "%v is not a value for %q: it is from %g to %g", v, q.name, q.low, q.high)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// validate checks how a setting is written, and each of its numbers.
func (s Setting) validate(param string, count *groupCount, check func(param string, v float64) error) error {
	if len(s.Values) > 0 && len(s.Rules) > 0 {
		return fault.Bad(param, "either values or rules, not both")
	}
	if len(s.Values) > 0 {
		if err := count.check(param, len(s.Values)); err != nil {
			return err
		}
	}
	if len(s.Values) > MaxGradient {
		return fault.Bad(param, "%d values: at most %d", len(s.Values), MaxGradient)
	}
	for _, v := range s.Values {
		if err := check(param, v); err != nil {
			return err
		}
	}
	if len(s.Rules) > MaxRules {
		return fault.Bad(param, "%d rules: at most %d", len(s.Rules), MaxRules)
	}
	for i, r := range s.Rules {
		at := param
		if len(s.Rules) > 1 {
			at = fmt.Sprintf("%s[%d]", param, i)
		}
		if len(r.Filter) > MaxName || !utf8.ValidString(r.Filter) {
			return fault.Bad(at+".filter", "a filter is text of at most %d bytes", MaxName)
		}
		if len(r.Gradient) == 0 || len(r.Gradient) > MaxGradient {
			return fault.Bad(at+".value", "a rule with %d values: it has 1 to %d", len(r.Gradient), MaxGradient)
		}
		for _, v := range r.Gradient {
			if err := check(at+".value", v); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupCount holds the number of layer groups that the lists of a recipe have
// agreed on so far; 0 until the first list of several.
type groupCount struct {
	groups Grouping
	want   int
	by     string // the field that fixed want; "" if the grouping did
}

// check accepts one number, or as many as everyone else has.
func (g *groupCount) check(param string, n int) error {
	switch {
	case n == 1 || n == g.want:
		return nil
	case g.want == 0:
		g.want, g.by = n, param
		return nil
	case g.by != "":
		return fault.Bad(param, "%d values where %s has %d: give one, or as many as there are layer groups", n, g.by, g.want)
	}
	return fault.Bad(param, "%d values, but grouping %q has %d: give one, or one for each layer group", n, string(g.groups), g.want)
}
