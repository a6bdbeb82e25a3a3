package merge

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/mergeway/mergeway/fault"
)

// The limits of a recipe. They bound what a stranger can make us do.
const (
	// MaxRecipeBytes is the longest recipe that [ParseRecipe] reads.
	MaxRecipeBytes = 1 << 20
	// MaxSources is the largest number of models in one merge.
	MaxSources = 64
	// MaxScale bounds weights and lambda, so that float32 never overflows.
	MaxScale = 1e6
	// MaxName is the longest model name, in bytes.
	MaxName = 128
)

// Validate says what is wrong with the recipe in itself, without knowing the
// models it names ([CheckFit] looks at those): fault.Invalid with the field.
func (r Recipe) Validate() error {
	r = r.withDefaults()
	c, err := r.Method.choices()
	if err != nil {
		return err
	}
	if !r.Groups.known() {
		return fault.Bad("groups", "unknown grouping %q: it is one of %v", string(r.Groups), Groupings())
	}
	if err := checkScale("lambda", r.Lambda); err != nil {
		return err
	}
	switch r.DType {
	case "float32", "bfloat16", "float16":
	default:
		return fault.Bad("dtype", "unknown dtype %q: it is one of float32, bfloat16, float16", r.DType)
	}
	if err := r.validateRescale(c); err != nil {
		return err
	}
	if !c.base && r.Lambda != 1 {
		return fault.Bad("lambda", "lambda scales differences from a base, which %q has not", string(r.Method))
	}
	if c.base && r.Base == "" {
		return fault.Bad("base_model", "%q merges differences from a base: base_model is required", string(r.Method))
	}
	if r.Base != "" {
		if err := CheckName("base_model", r.Base); err != nil {
			return err
		}
	}
	if err := r.validateSources(c); err != nil {
		return err
	}
	return r.validateNormalize(c)
}

// validateRescale accepts a rescale only where something is dropped.
func (r Recipe) validateRescale(c choices) error {
	switch r.Rescale {
	case "", RescaleNone:
		return nil
	case RescaleDensity, RescaleL1:
		if c.sparsify == keepAll {
			return fault.Bad("rescale", "%q drops nothing, so there is nothing to rescale", string(r.Method))
		}
		return nil
	}
	return fault.Bad("rescale", "unknown rescale %q: it is one of density, l1, none", r.Rescale)
}

// validateSources checks each source, and that their lists go together.
func (r Recipe) validateSources(c choices) error {
	if len(r.Sources) == 0 {
		return fault.Bad("sources", "a recipe needs at least one source")
	}
	if len(r.Sources) > MaxSources {
		return fault.Bad("sources", "%d sources: at most %d can be merged at once", len(r.Sources), MaxSources)
	}
	seen := make(map[string]int, len(r.Sources))
	count := groupCount{want: r.Groups.fixedCount(), groups: r.Groups}
	for i, s := range r.Sources {
		at := fmt.Sprintf("sources[%d].", i)
		if err := CheckName(at+"model", s.Model); err != nil {
			return err
		}
		if first, twice := seen[s.Model]; twice {
			return fault.Bad(at+"model", "%q is already sources[%d]", s.Model, first)
		}
		seen[s.Model] = i
		if c.base && s.Model == r.Base {
			return fault.Bad(at+"model", "%q is the base model: its difference from itself is nothing", s.Model)
		}
		if len(s.Weight) == 0 {
			return fault.Bad(at+"weight", "a source needs a weight: one number, or one for each layer group")
		}
		if err := count.check(at+"weight", len(s.Weight)); err != nil {
			return err
		}
		for _, w := range s.Weight {
			if err := checkScale(at+"weight", w); err != nil {
				return err
			}
		}
		if len(s.Density) > 0 {
			if err := count.check(at+"density", len(s.Density)); err != nil {
				return err
			}
		}
		for _, d := range s.Density {
			if !(d > 0 && d <= 1) { // also refuses NaN
				return fault.Bad(at+"density", "density %v: it is the share of entries to keep, more than 0 and at most 1", d)
			}
			if d != 1 && c.sparsify == keepAll {
				return fault.Bad(at+"density", "%q keeps every entry: it takes no density", string(r.Method))
			}
		}
	}
	return nil
}

// validateNormalize refuses a weighted mean whose weights sum to nothing.
func (r Recipe) validateNormalize(c choices) error {
	if c.base || !r.Normalize {
		return nil
	}
	groups := 1
	for _, s := range r.Sources {
		groups = max(groups, len(s.Weight))
	}
	for g, sum := range r.weightSums(groups) {
		if math.Abs(sum) < minDivisor {
			return fault.Bad("sources", "the weights of layer group %d sum to %v, so their mean is undefined: change them or set normalize to false", g, sum)
		}
	}
	return nil
}

// minDivisor is the smallest sum of weights that is divided by. A merge with a
// base and a smaller sum is left undivided, as in mergekit.
const minDivisor = 1e-8

// weightSums adds up the weights of all sources in each of n layer groups.
func (r Recipe) weightSums(n int) []float64 {
	sums := make([]float64, n)
	for _, s := range r.Sources {
		for g, w := range expand(s.Weight, n) {
			sums[g] += w
		}
	}
	return sums
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

// checkScale accepts finite numbers of sensible size.
func checkScale(param string, v float64) error {
	if math.IsNaN(v) || math.Abs(v) > MaxScale {
		return fault.Bad(param, "%v is not a number between -%g and %g", v, float64(MaxScale), float64(MaxScale))
	}
	return nil
}

// CheckName accepts names that are safe as a model id, in a URL and as a path
// below a folder: segments of letters, digits, dot, dash and underscore, that
// don't begin with a dot, joined by single slashes.
func CheckName(param, name string) error {
	if name == "" {
		return fault.Bad(param, "a model name is required")
	}
	if len(name) > MaxName {
		return fault.Bad(param, "a model name of %d bytes: at most %d", len(name), MaxName)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' {
			return fault.Bad(param, "model name %q: no part of it may be empty or begin with a dot", name)
		}
		for _, c := range segment {
			if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-", c) {
				return fault.Bad(param, "model name %q: %q is not a letter, digit, dot, dash or underscore", name, c)
			}
		}
	}
	return nil
}
