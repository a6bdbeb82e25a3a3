package search

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// Fitness says what a search maximises.
type Fitness string

// The fitness functions.
const (
	// Accuracy is the share of correct replies: the paper's.
	Accuracy Fitness = "accuracy"
	// Shaped is accuracy + 0.25 × the share of right numbers + 0.25 × the share
	// of replies in the right language. It tells candidates apart while almost
	// none of them gets a reply wholly right.
	Shaped Fitness = "shaped"
	// NumberRight is the share of right numbers, LanguageRight that of replies in the
	// right language: the two halves of being correct, as objectives.
	NumberRight   Fitness = "number_right"
	LanguageRight Fitness = "language_right"
)

// Fitnesses lists the fitness functions.
func Fitnesses() []Fitness { return []Fitness{Accuracy, Shaped, NumberRight, LanguageRight} }

// Range is the interval of a parameter, ends included. Equal ends make it a
// constant, which no search parameter is spent on.
type Range [2]float64

// Spec says what to search. The zero value of a field stands for its default.
type Spec struct {
	// Name is what the search and the recipe it finds are called. Default: the
	// task's name.
	Name string `json:"name"`
	// Task is the name of the task to get better at. With objectives: that of the
	// first.
	Task string `json:"task"`
	// Objectives are what is maximised, where it is more than one thing. Optimizers
	// of one number get their weighted mean. The finalists are then those that no
	// other trial beats in all of them, and the winner is the one of these with the
	// best weighted mean on the validation problems.
	Objectives []Objective `json:"objectives,omitempty"`
	// Base is the model that all sources were fine-tuned from.
	Base string `json:"base"`
	// Sources are the models to merge.
	Sources []string `json:"sources"`

	// Method is the way of merging. Default: "task_arithmetic".
	Method merge.Method `json:"method"`
	// Groups says how finely layers are grouped. Default: "halves".
	Groups merge.Grouping `json:"groups,omitempty"`
	// Path searches for a path through the layers of the models instead: weights stay
	// as they are. Then method is "dataflow", base lends embeddings, head and
	// tokenizer, and what is said of weights doesn't apply.
	Path *PathSpec `json:"path,omitempty"`
	// WeightRange bounds every weight. Default: 0 to 1.5.
	WeightRange Range `json:"weight_range,omitzero"`
	// DensityRange bounds every density. Default: 0.1 to 1, in methods that drop
	// entries; the others take none.
	DensityRange Range `json:"density_range,omitzero"`
	// SharedDensity gives each source one density for all of its layer groups.
	SharedDensity bool `json:"shared_density,omitempty"`
	// Ranges are the method's numbers to search for by name: weight and density, in
	// place of weight_range and density_range, lambda, and the method's own, such as
	// t of slerp. Other numbers than weights and densities are searched for only if
	// they are named here.
	Ranges Ranges `json:"ranges,omitempty"`
	// Filters divide the tensors of the blocks further, each by a part of their
	// names: ["self_attn", "mlp", "norm"]. A tensor is the first's that fits, and has
	// the values of the layer groups if none does.
	Filters []string `json:"filters,omitempty"`
	// Normalize divides by the sum of the weights. The paper found weights that
	// sum to about 2, so the default is not to.
	Normalize bool `json:"normalize"`
	// Rescale and DType are the recipes'; the method's defaults if empty.
	Rescale string `json:"rescale,omitempty"`
	DType   string `json:"dtype,omitempty"` // of the merged weights
	// Tokenizer says which tokens merges of models of different vocabularies have.
	Tokenizer *merge.Tokenizer `json:"tokenizer,omitempty"`
	// Vision names the model that lends candidates the part that sees pictures, or is
	// "none". Default: the base if it has one, or else the only source that has.
	Vision string `json:"vision,omitempty"`
	// Start is a recipe of the same sources to begin from. Default: the middle
	// of every range.
	Start *merge.Recipe `json:"start,omitempty"`

	// Optimizer is the way to search. Default: CMA-ES.
	Optimizer OptimizerSpec `json:"optimizer"`
	// Population is the number of candidates in a generation. Default: the
	// optimizer's; of CMA-ES 4 + floor(3 ln n) for n parameters.
	Population int `json:"population"`
	// Sigma is the first standard deviation of CMA-ES, as a share of each range.
	// Default: 1/6.
	Sigma float64 `json:"sigma"`
	// Seed decides everything that is random in the search.
	Seed uint64 `json:"seed"`
	// Fitness is what is maximised. Default: "accuracy".
	Fitness Fitness `json:"fitness"`
	// SampleSize is the number of search problems that a generation is scored
	// on, drawn anew for each. 0 means all of them, always.
	SampleSize int `json:"sample_size"`

	// Racing stops candidates that can't reach the best any more before they have been
	// asked every problem. Default: none is stopped, as in the paper.
	Racing *Racing `json:"racing,omitempty"`

	// Trials is the most candidates to try. Default: 200.
	Trials int `json:"trials"`
	// Minutes is the longest that candidates are tried. Default: 60. Validation
	// and test come on top.
	Minutes float64 `json:"minutes"`
	// Tokens is the most that candidates may read and write, prompts and replies
	// together; the trial that exceeds it is the last. 0: any number.
	Tokens int `json:"tokens,omitempty"`

	// ValidateTop is how many of the best trials are scored on the validation
	// problems. Default: 10.
	ValidateTop int `json:"validate_top"`
	// Alias is the name under which the winner is served. Empty: only by its
	// recipe's id.
	Alias string `json:"alias,omitempty"`

	// Then is a search that begins when this one is done, with its winner among the
	// models, by the name "$winner". So the paper's PS + DFS is one request.
	Then *Spec `json:"then,omitempty"`
}

// The defaults of a Spec.
const (
	DefaultMethod      = merge.TaskArithmetic
	DefaultGroups      = merge.Halves
	DefaultSigma       = 1.0 / 6
	DefaultTrials      = 200
	DefaultMinutes     = 60
	DefaultValidateTop = 10
)

// DefaultWeightRange and DefaultDensityRange are what ranges are if none is
// given.
func DefaultWeightRange() Range  { return Range{0, 1.5} }
func DefaultDensityRange() Range { return Range{0.1, 1} }

// The limits of a Spec: what a stranger may ask of the machine.
const (
	MaxTrials      = 20_000
	MaxMinutes     = 7 * 24 * 60
	MaxValidateTop = 100
	MaxTokens      = 1_000_000_000_000
	MaxPopulation  = 1024
	minDensity     = 1e-3
)

// WithDefaults fills in every default that doesn't depend on the models. Only
// Population stays 0, until the number of parameters is known.
func (s Spec) WithDefaults() Spec {
	s = s.withObjectives()
	setDefault(&s.Name, s.Task)
	if s.Path != nil || s.Method == merge.Dataflow {
		setDefault(&s.Method, merge.Dataflow)
		setDefault(&s.Path, &PathSpec{})
		s.Path = s.Path.withDefaults()
	} else {
		setDefault(&s.Method, DefaultMethod)
		setDefault(&s.Groups, DefaultGroups)
		if _, named := s.Ranges[merge.TunableWeight]; s.Method.Weighs() && !named {
			setDefault(&s.WeightRange, DefaultWeightRange())
		}
		if _, named := s.Ranges[merge.TunableDensity]; s.Method.Sparsifies() && !named {
			setDefault(&s.DensityRange, DefaultDensityRange())
		}
	}
	setDefault(&s.Sigma, DefaultSigma)
	s.Optimizer = s.Optimizer.withDefaults()
	setDefault(&s.Fitness, Accuracy)
	if s.Racing != nil {
		s.Racing = s.Racing.withDefaults()
	}
	setDefault(&s.Trials, DefaultTrials)
	setDefault(&s.Minutes, DefaultMinutes)
	setDefault(&s.ValidateTop, DefaultValidateTop)
	return s
}

// setDefault replaces a zero value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate says what is wrong with a Spec in itself, defaults filled in:
// fault.Invalid with the field. Whether its task and models exist and fit is
// found out by [Service.Launch].
func (s Spec) Validate() error {
	s = s.WithDefaults()
	if s.Task == "" {
		return fault.Bad("task", "a search needs a task")
	}
	if s.Base == "" {
		return fault.Bad("base", "a search needs the base model of its sources")
	}
	if len(s.Sources) == 0 {
		return fault.Bad("sources", "a search needs at least one source to merge")
	}
	if err := merge.CheckName("name", s.Name); err != nil {
		return err
	}
	if s.Alias != "" {
		if err := merge.CheckName("alias", s.Alias); err != nil {
			return err
		}
		if s.Alias == s.Base || slices.Contains(s.Sources, s.Alias) {
			return fault.Bad("alias", "%q is one of the models to merge", s.Alias)
		}
	}
	if !slices.Contains(Fitnesses(), s.Fitness) {
		return fault.Bad("fitness", "unknown fitness %q: it is one of %v", string(s.Fitness), Fitnesses())
	}
	if err := s.validateObjectives(); err != nil {
		return err
	}
	if s.Path != nil {
		if err := s.validatePath(); err != nil {
			return err
		}
	} else if !s.Method.Weighs() && len(s.Ranges) == 0 {
		return fault.Bad("method", "%q finds the weights of its sources by itself: there is nothing to search, unless ranges names others of its numbers", string(s.Method))
	}
	if s.Path == nil {
		if err := s.validateRanges(); err != nil {
			return err
		}
	}
	if err := s.Optimizer.validate(len(s.Objectives)); err != nil {
		return err
	}
	for _, n := range []struct {
		param     string
		value     float64
		low, high float64
	}{
		{"population", float64(s.Population), 0, MaxPopulation},
		{"sigma", s.Sigma, 1e-6, 1},
		{"sample_size", float64(s.SampleSize), 0, math.MaxInt32},
		{"trials", float64(s.Trials), 1, MaxTrials},
		{"minutes", s.Minutes, 1e-3, MaxMinutes},
		{"tokens", float64(s.Tokens), 0, MaxTokens},
		{"validate_top", float64(s.ValidateTop), 1, MaxValidateTop},
	} {
		if !(n.low <= n.value && n.value <= n.high) {
			return fault.Bad(n.param, "%s is %v: it has to lie between %v and %v", n.param, n.value, n.low, n.high)
		}
	}
	if err := s.validateRacing(); err != nil {
		return err
	}
	if s.Population == 1 {
		return fault.Bad("population", "a population of one has nothing to choose from")
	}
	if s.Start != nil {
		if err := s.Start.Validate(); err != nil {
			return within("start", err)
		}
		if !s.Start.Parameters[merge.TunableLambda].IsZero() {
			return fault.Bad("start.parameters.lambda", "candidates have one lambda: give the start a number")
		}
		if s.Start.ChatTemplate != "" {
			return fault.Bad("start.chat_template", "candidates have the chat template of their base: give the winner another in a recipe of its own")
		}
	}
	if v := s.Vision; v != "" && v != merge.NoVision && v != s.Base && !slices.Contains(s.Sources, v) {
		return fault.Bad("vision", "%q is neither the base nor one of the sources, which lend the vision part, nor %q", v, merge.NoVision)
	}
	if err := s.validateThen(); err != nil {
		return within("then", err)
	}
	return translate(s.example().Validate())
}

// translate gives an error of a recipe the names that its fields have in a spec.
func translate(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	param := e.Param
	if param == "base_model" {
		param = "base"
	}
	param = strings.TrimSuffix(param, ".model") // sources are names here
	return &fault.Error{Code: e.Code, Param: param, Message: e.Message, Err: e.Err}
}

// within puts the name of a field before those of its own fields.
func within(field string, err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	return &fault.Error{Code: e.Code, Param: strings.TrimSuffix(field+"."+e.Param, "."), Message: e.Message, Err: e.Err}
}

// example is a recipe of the spec's kind, to check what recipes check.
func (s Spec) example() merge.Recipe {
	if s.Path != nil {
		r := merge.Recipe{Method: merge.Dataflow, Base: s.Base, Vision: s.Vision}
		for _, name := range s.pathModels() {
			r.Path = append(r.Path, merge.Hop{Model: name})
		}
		return r
	}
	r := s.recipe()
	for _, t := range s.Method.Tunables() {
		switch {
		case t.Name == merge.TunableWeight:
			for i := range r.Sources {
				r.Tune(t, i, merge.Numbers(1))
			}
		case t.Required:
			r.Tune(t, -1, merge.Numbers(s.Ranges[t.Name].Range[0]))
		}
	}
	return r
}

// recipe is a recipe of the spec's kind without numbers.
func (s Spec) recipe() merge.Recipe {
	r := merge.NewRecipe(s.Method)
	r.Base, r.Groups, r.Normalize, r.Tokenizer, r.Vision = s.Base, s.Groups, s.Normalize, s.Tokenizer, s.Vision
	if s.Rescale != "" {
		r.Rescale = s.Rescale
	}
	if s.DType != "" {
		r.DType = s.DType
	}
	if s.Method.Random() {
		r.Seed = s.Seed
	}
	for _, name := range s.Sources {
		r.Sources = append(r.Sources, merge.Source{Model: name})
	}
	return r
}

// average is the plain average of the sources, the merge that needs no search.
func (s Spec) average() merge.Recipe {
	r := merge.NewRecipe(merge.Linear)
	r.Base, r.Tokenizer, r.Vision = s.Base, s.Tokenizer, s.Vision
	if s.DType != "" {
		r.DType = s.DType
	}
	models := s.Sources
	if s.Path != nil {
		models = s.pathModels()
	}
	for _, name := range models {
		r.Sources = append(r.Sources, merge.Source{Model: name, Weight: merge.Numbers(1)})
	}
	return r
}
