package search

import (
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// weightCoding is the paper's parameter space: a weight, and a density where the
// method drops entries, for each source and layer group.
type weightCoding struct {
	spec   Spec
	groups []string
	all    []Parameter
}

// newWeightCoding lays out the parameters for models of so many blocks.
func newWeightCoding(spec Spec, layers int) *weightCoding {
	c := &weightCoding{spec: spec, groups: spec.Groups.Labels(layers)}
	for _, source := range spec.Sources {
		c.add(source, weightKind, c.groups, spec.WeightRange)
		if spec.Method.Sparsifies() {
			groups := c.groups
			if spec.SharedDensity {
				groups = []string{sharedGroup}
			}
			c.add(source, densityKind, groups, spec.DensityRange)
		}
	}
	return c
}

// add appends the parameters of one source and kind, unless they are constant.
func (c *weightCoding) add(source, kind string, groups []string, r Range) {
	if r[0] == r[1] {
		return
	}
	for _, g := range groups {
		c.all = append(c.all, Parameter{
			Label:  fmt.Sprintf("%s %s %s", source, kind, g),
			Source: source, Kind: kind, Group: g, Low: r[0], High: r[1],
		})
	}
}

func (c *weightCoding) parameters() []Parameter { return c.all }

func (c *weightCoding) recipe(genome []float64) (merge.Recipe, error) {
	r := c.spec.recipe()
	next := 0
	read := func(groups int, bounds Range) []float64 {
		if bounds[0] == bounds[1] {
			return []float64{bounds[0]}
		}
		values := make([]float64, groups)
		for i := range values {
			values[i] = fromUnit(genome[next], bounds)
			next++
		}
		return values
	}
	for i := range r.Sources {
		r.Sources[i].Weight = merge.Numbers(read(len(c.groups), c.spec.WeightRange)...)
		if c.spec.Method.Sparsifies() {
			groups := len(c.groups)
			if c.spec.SharedDensity {
				groups = 1
			}
			r.Sources[i].Density = merge.Numbers(read(groups, c.spec.DensityRange)...)
		}
	}
	return r, nil
}

// genome implements coding. Sources that the recipe leaves out have weight 0;
// densities it doesn't give are 1.
func (c *weightCoding) genome(r merge.Recipe) ([]float64, error) {
	bySource := map[string]merge.Source{}
	for _, source := range r.Sources {
		if !slices.Contains(c.spec.Sources, source.Model) {
			return nil, fault.Bad("start", "the recipe merges %q, which is not among the sources of the search", source.Model)
		}
		if len(source.Weight.Rules)+len(source.Density.Rules) > 0 {
			return nil, fault.Bad("start", "the recipe gives %q numbers by rules, and a search has them by layer groups", source.Model)
		}
		bySource[source.Model] = source
	}
	genome := make([]float64, 0, len(c.all))
	for _, p := range c.all {
		source := bySource[p.Source]
		values, missing := source.Weight.Values, 0.0
		if p.Kind == densityKind {
			values, missing = source.Density.Values, 1
		}
		v, err := c.valueOf(values, p.Group, missing)
		if err != nil {
			return nil, err
		}
		genome = append(genome, toUnit(v, Range{p.Low, p.High}))
	}
	return genome, nil
}

// valueOf picks a group's value from a recipe's list. A shared parameter gets
// the mean of the list.
func (c *weightCoding) valueOf(values []float64, group string, missing float64) (float64, error) {
	at := slices.Index(c.groups, group)
	switch {
	case len(values) == 0:
		return missing, nil
	case len(values) == 1:
		return values[0], nil
	case len(values) != len(c.groups):
		return 0, fault.Bad("start", "the recipe has %d values for a source where the search has %d layer groups", len(values), len(c.groups))
	case at >= 0:
		return values[at], nil
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)), nil
}

// start implements coding: the middle of every range, as Optuna starts.
func (c *weightCoding) start() ([]float64, error) {
	if c.spec.Start == nil {
		return slices.Repeat([]float64{0.5}, len(c.all)), nil
	}
	if c.spec.Start.Groups != c.spec.Groups && slices.ContainsFunc(c.spec.Start.Sources, func(source merge.Source) bool {
		return len(source.Weight.Values) > 1 || len(source.Density.Values) > 1
	}) {
		return nil, fault.Bad("start", "the recipe groups layers by %q, the search by %q", string(c.spec.Start.Groups), string(c.spec.Groups))
	}
	return c.genome(*c.spec.Start)
}
