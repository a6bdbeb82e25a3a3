package merge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
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
	// MaxName is the longest model name or filter of a rule, in bytes.
	MaxName = 128
	// MaxRules is how many rules a [Setting] may have.
	MaxRules = 256
	// MaxGradient is how many numbers a [Setting] or a [Rule] may have.
	MaxGradient = 4096
	// MaxInputs is how many recipes there may be within one, at any depth. One that
	// is used in several places counts in each.
	MaxInputs = 64
	// MaxDepth is how deep recipes may be within one another.
	MaxDepth = 8
)

// Validate says what is wrong with the recipe in itself, without knowing the
// models it names ([CheckFit] looks at those): fault.Invalid with the field.
func (r Recipe) Validate() error {
	if err := r.checkNesting(); err != nil {
		return err
	}
	return r.validate()
}

// validate is Validate for a recipe that is known not to be nested too deep.
func (r Recipe) validate() error {
	if err := r.validateInputs(); err != nil {
		return err
	}
	if r.Method == Dataflow {
		return r.validatePath()
	}
	r = r.withDefaults()
	c, err := r.Method.choices()
	if err != nil {
		return err
	}
	if err := r.pathOnly(); err != nil {
		return err
	}
	if !r.Groups.known() {
		return fault.Bad("groups", "unknown grouping %q: it is one of %v, or blocks/N by runs of N blocks, 2 to %d", string(r.Groups), Groupings(), MaxGradient)
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
	if err := r.validateOptions(c); err != nil {
		return err
	}
	if r.Base != "" {
		if err := CheckModel("base_model", r.Base); err != nil {
			return err
		}
	}
	if err := r.Tokenizer.validate(r.Models()); err != nil {
		return err
	}
	if err := r.validateChatTemplate(); err != nil {
		return err
	}
	if err := r.validateVision(); err != nil {
		return err
	}
	if len(r.Slices) > 0 {
		return r.validateSlices(c)
	}
	if err := r.validateLambda(); err != nil {
		return err
	}
	for i, s := range r.Sources {
		if s.LayerRange != (Range{}) {
			return fault.Bad(fmt.Sprintf("sources[%d].layer_range", i), "a layer_range has its place in slices")
		}
	}
	return r.validateMerge(c)
}

// validateMerge checks what is merged: a whole model, or one slice of it.
func (r Recipe) validateMerge(c choices) error {
	if c.base == needsBase && r.Base == "" {
		return fault.Bad("base_model", "%q merges with a base: base_model is required", string(r.Method))
	}
	if err := r.validateSources(c); err != nil {
		return err
	}
	if c.base == ignoresBase && r.Method != Linear && !slices.ContainsFunc(r.Sources, func(s Source) bool { return s.Model == r.Base }) {
		return fault.Bad("base_model", "%q has no base: base_model only lends the configuration, and must be one of the sources", string(r.Method))
	}
	if err := r.validateEach(); err != nil {
		return err
	}
	return r.validateNormalize(c)
}

// validateOptions accepts options only where they mean something.
func (r Recipe) validateOptions(c choices) error {
	if !c.scales() && r.Lambda != 1 {
		return fault.Bad("lambda", "lambda scales a sum of differences from a base, which %q has not", string(r.Method))
	}
	if !c.normalizes() && r.Normalize {
		return fault.Bad("normalize", "%q has no weights that could be normalised", string(r.Method))
	}
	switch {
	case r.Consensus == "":
	case c.consensus == everyone:
		return fault.Bad("consensus", "%q hears all sources: it elects no signs", string(r.Method))
	case r.Consensus != ConsensusSum && r.Consensus != ConsensusCount:
		return fault.Bad("consensus", "unknown consensus %q: it is sum or count", r.Consensus)
	}
	if !slices.Contains(c.spans, r.Span) && r.Span != "" {
		return fault.Bad("span", "unknown span %q of %q: it is one of %v", r.Span, string(r.Method), c.spans)
	}
	return nil
}

// validateRescale accepts a rescale only where something is dropped.
func (r Recipe) validateRescale(c choices) error {
	switch r.Rescale {
	case "", RescaleNone:
		return nil
	case RescaleDensity, RescaleL1, RescaleL2:
		if c.sparsify == keepAll {
			return fault.Bad("rescale", "%q drops nothing, so there is nothing to rescale", string(r.Method))
		}
		return nil
	}
	return fault.Bad("rescale", "unknown rescale %q: it is one of density, l1, l2, none", r.Rescale)
}

// validateSources checks each source, and that their lists go together.
func (r Recipe) validateSources(c choices) error {
	if len(r.Sources) == 0 {
		return fault.Bad("sources", "a recipe needs at least one source")
	}
	if most := cmp.Or(c.most, MaxSources); len(r.Sources) > most || len(r.Sources) < c.fewest {
		return fault.Bad("sources", "%d sources: %q merges %s", len(r.Sources), string(r.Method), fewestToMost(max(c.fewest, 1), most))
	}
	seen := make(map[string]int, len(r.Sources))
	count := groupCount{want: r.Groups.fixedCount(), groups: r.Groups}
	for i, s := range r.Sources {
		at := fmt.Sprintf("sources[%d].", i)
		if err := CheckModel(at+"model", s.Model); err != nil {
			return err
		}
		model := r.identity(s.Model)
		if first, twice := seen[model]; twice {
			return fault.Bad(at+"model", "%q is already sources[%d]", s.Model, first)
		}
		seen[model] = i
		if c.base != ignoresBase && r.Base != "" && model == r.identity(r.Base) {
			return fault.Bad(at+"model", "%q is the base model: its difference from itself is nothing", s.Model)
		}
		if err := s.validateSettings(c, r.Method, at, &count); err != nil {
			return err
		}
	}
	return r.Parameters.validate("parameters", c.wholeMerge(), r.Method, &count)
}

// fewestToMost is a number of sources, for messages.
func fewestToMost(fewest, most int) string {
	switch {
	case fewest == most:
		return fmt.Sprintf("exactly %d", most)
	case fewest == 1:
		return fmt.Sprintf("at most %d", most)
	}
	return fmt.Sprintf("%d to %d", fewest, most)
}

// validateNormalize refuses a weighted mean whose weights sum to nothing, as far
// as that can be told without the tensors.
func (r Recipe) validateNormalize(c choices) error {
	if c.base == needsBase || !r.Normalize || !r.Parameters[normalizeName].IsZero() {
		return nil // or CheckFit looks at each tensor
	}
	groups := 1
	for _, s := range r.Sources {
		if len(s.Weight.Rules) > 0 {
			return nil // CheckFit looks at each tensor
		}
		groups = max(groups, len(s.Weight.Values))
	}
	for g := range groups {
		var sum float64
		for _, s := range r.Sources {
			sum += s.Weight.at(place{group: g}, 0)
		}
		if math.Abs(sum) < minDivisor {
			return fault.Bad("sources", "the weights of layer group %d sum to %v, so their mean is undefined: change them or set normalize to false", g, sum)
		}
	}
	return nil
}

// minDivisor is the smallest sum of weights that is divided by. A merge with a
// base and a smaller sum is left undivided, as in mergekit.
const minDivisor = 1e-8

// checkScale accepts finite numbers of sensible size.
func checkScale(param string, v float64) error {
	if math.IsNaN(v) || math.Abs(v) > MaxScale {
		return fault.Bad(param, "%v is not a number between -%g and %g", v, float64(MaxScale), float64(MaxScale))
	}
	return nil
}

// AdapterMark stands between the name of a model and that of a LoRA adapter that is
// put on it.
const AdapterMark = "+"

// SplitAdapter divides the name of a model from that of its adapter, which is empty
// if there is none.
func SplitAdapter(name string) (model, adapter string) {
	model, adapter, _ = strings.Cut(name, AdapterMark)
	return model, adapter
}

// CheckModel accepts names of models: what [CheckName] accepts, and two of them with
// an [AdapterMark] between them.
func CheckModel(param, name string) error {
	if len(name) > MaxName {
		return fault.Bad(param, "a model name of %d bytes: at most %d", len(name), MaxName)
	}
	for part := range strings.SplitSeq(name, AdapterMark) {
		if err := CheckName(param, part); err != nil {
			return err
		}
	}
	if strings.Count(name, AdapterMark) > 1 {
		return fault.Bad(param, "model name %q: one adapter at most can be put on a model", name)
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
