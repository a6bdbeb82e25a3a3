package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// evolveConfig is a configuration of mergekit-evolve (0.1.5), with a map of fields of a
// [Spec] besides, for what are options on its command line.
type evolveConfig struct {
	Genome   evolveGenome               `json:"genome"`
	Tasks    []json.RawMessage          `json:"tasks"`
	Mergeway map[string]json.RawMessage `json:"mergeway"`

	// What has one value that means the same here.
	Shuffle            *bool `json:"shuffle"`
	RandomInit         *bool `json:"random_init"`
	ApplyChatTemplate  *bool `json:"apply_chat_template"`
	FewshotAsMultiturn *bool `json:"fewshot_as_multiturn"`
	Limit              *int  `json:"limit"`
	NumFewshot         *int  `json:"num_fewshot"`
}

// evolveGenome says what mergekit-evolve searches.
type evolveGenome struct {
	Models           []string     `json:"models"`
	Method           merge.Method `json:"merge_method"`
	Base             string       `json:"base_model"`
	TokenizerSource  string       `json:"tokenizer_source"`
	LayerGranularity int          `json:"layer_granularity"`
	Normalize        *bool        `json:"normalize"`
	Negative         bool         `json:"allow_negative_weights"`
	Filters          []string     `json:"filters"`
	Smooth           bool         `json:"smooth"`
}

// evolveTask is one of its tasks.
type evolveTask struct {
	Name   string   `json:"name"`
	Weight *float64 `json:"weight"`
	Metric string   `json:"metric"`
}

// ParseEvolve reads a search from the YAML that mergekit-evolve reads. Its tasks are
// those of this server by name. A map "mergeway" has fields of a [Spec] besides, such
// as trials and seed. What a search can't do is refused by its key.
//
// mergekit gives the embedding the numbers of the first layers and the head those of the
// last; here they have numbers of their own. Weights are bounded by weight_range,
// which reaches below zero where negative weights are allowed.
func ParseEvolve(data []byte) (Spec, error) {
	text, err := merge.YAMLToJSON(data)
	if err != nil {
		return Spec{}, err
	}
	c, err := parseField[evolveConfig](text)
	if err != nil {
		return Spec{}, err
	}
	if err := c.check(); err != nil {
		return Spec{}, err
	}
	fields, err := c.fields()
	if err != nil {
		return Spec{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Mergeway)) {
		if _, taken := fields[name]; taken && evolveKeys[name] != "" {
			return Spec{}, fault.Bad("mergeway."+name, "%s says it already", evolveKeys[name])
		}
		fields[name] = c.Mergeway[name]
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return Spec{}, fault.Wrap(err, fault.Invalid, "read the configuration")
	}
	spec, err := ParseSpec(body)
	return spec, c.renamed(err)
}

// evolveKeys are the keys of a configuration that become fields of a spec.
var evolveKeys = map[string]string{
	"sources": "genome.models", "base": "genome.base_model", "method": "genome.merge_method", "groups": "genome.layer_granularity",
	"filters": "genome.filters", "tokenizer": "genome.tokenizer_source", "normalize": "genome.normalize",
	"task": "tasks", "objectives": "tasks",
}

// check refuses what a search can't do.
func (c evolveConfig) check() error {
	g := c.Genome
	known := []merge.Method{merge.Linear, merge.TaskArithmetic, merge.TIES, merge.DARETIES}
	switch {
	case g.Method == merge.SLERP:
		return fault.Bad("genome.merge_method", "mergekit-evolve chooses two of the models for each slice, which a recipe here can't: search for t of slerp between two, by ranges in JSON")
	case !slices.Contains(known, g.Method):
		return fault.Bad("genome.merge_method", "mergekit-evolve has no method %q: it has %v", string(g.Method), known)
	case len(g.Models) == 0:
		return fault.Bad("genome.models", "there are no models to merge")
	case g.LayerGranularity < 0 || g.LayerGranularity > merge.MaxGradient:
		return fault.Bad("genome.layer_granularity", "groups of %d layers: at most %d", g.LayerGranularity, merge.MaxGradient)
	case len(c.Tasks) == 0:
		return fault.Bad("tasks", "a search needs a task")
	}
	for _, one := range []struct {
		key     string
		refused bool
		why     string
	}{
		{"limit", c.Limit != nil, "every problem is asked, or sample_size of them, which mergeway can say"},
		{"num_fewshot", c.NumFewshot != nil, "the task says what precedes its problems"},
		{"shuffle", c.Shuffle != nil && *c.Shuffle, "problems have the task's order; sample_size, which mergeway can say, draws some"},
		{"random_init", c.RandomInit != nil && *c.RandomInit, "a search starts from the average, or from a recipe that mergeway names as start"},
		{"apply_chat_template", c.ApplyChatTemplate != nil && !*c.ApplyChatTemplate, "the task says whether its problems are a chat"},
		{"fewshot_as_multiturn", c.FewshotAsMultiturn != nil && !*c.FewshotAsMultiturn, "the task says what precedes its problems"},
	} {
		if one.refused {
			return fault.Bad(one.key, "%s", one.why)
		}
	}
	return nil
}

// fields are those of the spec that the configuration means.
func (c evolveConfig) fields() (map[string]any, error) {
	g := c.Genome
	low := 0.0
	if g.Negative {
		low = -DefaultWeightRange()[1]
	}
	normalize := g.Method != merge.TaskArithmetic
	if g.Normalize != nil {
		normalize = *g.Normalize
	}
	base := g.Base
	if base == "" {
		base = g.Models[0]
	}
	fields := map[string]any{"base": base, "sources": g.Models, "method": g.Method, "normalize": normalize, "groups": merge.WholeModel}
	weights := Range{low, DefaultWeightRange()[1]}
	switch {
	case g.Smooth && g.LayerGranularity > 0:
		span := ParameterRange{Over: OverGradient, Every: g.LayerGranularity, Range: weights}
		ranges := Ranges{merge.TunableWeight: span}
		if g.Method.Sparsifies() {
			span.Range = DefaultDensityRange()
			ranges[merge.TunableDensity] = span
		}
		fields["ranges"] = ranges
	case g.LayerGranularity > 0:
		fields["groups"] = merge.BlocksOf(g.LayerGranularity)
		fallthrough
	default:
		fields["weight_range"] = weights
	}
	if len(g.Filters) > 0 {
		fields["filters"] = g.Filters
	}
	if g.TokenizerSource != "" {
		fields["tokenizer"] = map[string]string{"source": g.TokenizerSource}
	}
	if g.Method == merge.DARETIES {
		fields["rescale"] = merge.RescaleL1 // mergekit's default
	}
	fields["start"] = c.average(base, normalize)
	return fields, c.addTasks(fields)
}

// average is where mergekit-evolve starts: models in equal parts, nothing dropped.
func (c evolveConfig) average(base string, normalize bool) merge.Recipe {
	r := merge.NewRecipe(c.Genome.Method)
	r.Base, r.Normalize = base, normalize
	for _, name := range c.Genome.Models {
		s := merge.Source{Model: name, Weight: merge.Numbers(1 / float64(len(c.Genome.Models)))}
		if r.Method.Sparsifies() {
			s.Density = merge.Numbers(1)
		}
		r.Sources = append(r.Sources, s)
	}
	return r
}

// addTasks adds the task, or objectives where there are several.
func (c evolveConfig) addTasks(fields map[string]any) error {
	objectives := make([]Objective, len(c.Tasks))
	for i, data := range c.Tasks {
		at := fmt.Sprintf("tasks[%d]", i)
		var t evolveTask
		if json.Unmarshal(data, &t.Name) != nil {
			var err error
			if t, err = parseField[evolveTask](data); err != nil {
				return within(at, err)
			}
		}
		fitness, ok := evolveFitness(t.Metric)
		if !ok {
			return fault.Bad(at+".metric", "a search doesn't maximise %q: it does %v, and takes acc and exact_match for the first", t.Metric, Fitnesses())
		}
		objectives[i] = Objective{Task: t.Name, Fitness: fitness, Weight: 1}
		if t.Weight != nil {
			if objectives[i].Weight = *t.Weight; *t.Weight <= 0 {
				return fault.Bad(at+".weight", "a weight is positive")
			}
		}
	}
	if len(objectives) == 1 {
		fields["task"], fields["fitness"] = objectives[0].Task, objectives[0].Fitness
		return nil
	}
	fields["objectives"] = objectives
	return nil
}

// evolveFitness is what a metric of lm-evaluation-harness is here. What follows its
// comma is a filter of replies, which is the task's business.
func evolveFitness(metric string) (Fitness, bool) {
	name, _, _ := strings.Cut(metric, ",")
	switch name {
	case "", "acc", "exact_match":
		return Accuracy, true
	}
	return Fitness(name), slices.Contains(Fitnesses(), Fitness(name))
}

// renamed gives an error of a spec the names that its fields have in a configuration.
func (c evolveConfig) renamed(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) || e.Param == "" {
		return err
	}
	head, rest := e.Param, ""
	if i := strings.IndexAny(head, ".["); i >= 0 {
		head, rest = head[:i], head[i:]
	}
	param := "mergeway." + e.Param
	if key := evolveKeys[head]; key != "" && c.Mergeway[head] == nil {
		param = key + rest
		if head == "tokenizer" || head == "task" {
			param = key
		}
	}
	return &fault.Error{Code: e.Code, Param: param, Message: e.Message, Err: e.Err}
}
