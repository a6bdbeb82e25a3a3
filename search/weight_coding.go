package search

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// weightCoding is the paper's parameter space, a weight, and a density where the
// method drops entries, for each source and layer group; and whatever other numbers
// of the method are to be searched.
type weightCoding struct {
	spec   Spec
	layers int
	axes   []axis
	all    []Parameter
}

// newWeightCoding lays out the parameters for models of so many blocks: source by
// source, and then what the sources have in common.
func newWeightCoding(spec Spec, layers int) *weightCoding {
	c := &weightCoding{spec: spec, layers: layers}
	tunables := spec.Method.Tunables()
	every := make([]int, len(spec.Sources))
	for i, source := range spec.Sources {
		every[i] = i
		for _, t := range tunables {
			if span, ok := spec.ranged(t); ok && t.Own && !span.Shared {
				c.add(newAxis(t, span, []int{i}, spec, layers), source)
			}
		}
	}
	for _, t := range tunables {
		span, ok := spec.ranged(t)
		switch {
		case !ok || t.Own && !span.Shared:
		case t.Own:
			c.add(newAxis(t, span, every, spec, layers), "")
		default:
			c.add(newAxis(t, span, nil, spec, layers), "")
		}
	}
	return c
}

func (c *weightCoding) add(a axis, source string) {
	c.axes = append(c.axes, a)
	c.all = append(c.all, a.parameters(source)...)
}

func (c *weightCoding) parameters() []Parameter { return c.all }

func (c *weightCoding) recipe(genome []float64) (merge.Recipe, error) {
	r := c.spec.recipe()
	next := 0
	for _, a := range c.axes {
		to := merge.Numbers(a.span.Range[0])
		if !a.constant() {
			values := make([]float64, a.size())
			for i := range values {
				values[i] = c.all[next].Value(genome[next])
				next++
			}
			to = a.setting(values, c.spec.Groups, c.layers)
		}
		for _, i := range a.sources {
			r.Tune(a.Tunable, i, to)
		}
		if !a.Own {
			r.Tune(a.Tunable, -1, to)
		}
	}
	return r, nil
}

// genome implements coding. Sources that the recipe leaves out have weight 0; other
// numbers that it doesn't give are what they are by default.
func (c *weightCoding) genome(r merge.Recipe) ([]float64, error) {
	if len(r.Slices)+len(r.Path) > 0 {
		return nil, fault.Bad("start", "a recipe of slices or of a path is no point of a space of weights")
	}
	if err := r.Validate(); err != nil {
		return nil, within("start", err)
	}
	for _, source := range r.Sources {
		if !slices.Contains(c.spec.Sources, source.Model) {
			return nil, fault.Bad("start", "the recipe merges %q, which is not among the sources of the search", source.Model)
		}
	}
	genome := make([]float64, 0, len(c.all))
	for _, a := range c.axes {
		if a.constant() {
			continue
		}
		read, err := c.readers(r, a)
		if err != nil {
			return nil, err
		}
		for _, section := range a.sections {
			for i := range section.labels {
				var values []float64
				for _, one := range read {
					values = append(values, c.lookUp(a, section, i, one))
				}
				genome = append(genome, toUnit(mean(values), a.span.Range))
			}
		}
	}
	return genome, nil
}

// reader gives what a number of a recipe is in a tensor of a name that belongs to
// block i and lies at a depth; -1 is the embedding, and what is no block the head.
type reader func(name string, i int, depth float64) float64

// readers are the ways to look up an axis in a recipe: one for each source that has
// it there, or one of the whole merge.
func (c *weightCoding) readers(r merge.Recipe, a axis) ([]reader, error) {
	of := func(s merge.Setting, absent float64) (reader, error) {
		if n, want := len(s.Values), r.Groups.Count(c.layers); n > 1 && n != want {
			return nil, fault.Bad("start", "the recipe has %d values of %s for %d layer groups of the models", n, a.Name, want)
		}
		return func(name string, i int, depth float64) float64 {
			return s.At(name, c.group(r.Groups, i), depth, absent)
		}, nil
	}
	absent := a.Default
	if a.Required { // the recipe is of another method
		absent = (a.span.Range[0] + a.span.Range[1]) / 2
	}
	if !a.Own {
		s := merge.Setting{}
		if slices.Contains(r.Method.Tunables(), a.Tunable) {
			s = r.Tuned(a.Tunable, -1)
		}
		one, err := of(s, absent)
		return []reader{one}, err
	}
	var all []reader
	for _, i := range a.sources {
		at := slices.IndexFunc(r.Sources, func(s merge.Source) bool { return s.Model == c.spec.Sources[i] })
		if at < 0 {
			continue
		}
		one, err := of(r.Tuned(a.Tunable, at), absent)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		one, err := of(merge.Setting{}, absent)
		return []reader{one}, err
	}
	return all, nil
}

// group is the layer group of block i by a grouping, see reader.
func (c *weightCoding) group(g merge.Grouping, i int) int {
	switch {
	case i < 0:
		return 0
	case i >= c.layers:
		return g.Count(c.layers) - 1
	}
	return g.Index(block(i), c.layers)
}

// lookUp reads value number i of a section: the mean of what the number is in the
// parts of the model that the value is for.
func (c *weightCoding) lookUp(a axis, part section, i int, read reader) float64 {
	at := func(b int) float64 {
		switch {
		case b < 0:
			return read("model.embed_tokens.weight", b, 0)
		case b >= c.layers:
			return read("lm_head.weight", b, 0)
		case c.layers == 1:
			return read(part.name(b), b, 1)
		}
		return read(part.name(b), b, float64(b)/float64(c.layers-1))
	}
	if a.span.Over == OverGradient {
		depth := anchorDepth(i, a.span.Anchors)
		b := int(depth*float64(c.layers-1) + 0.5)
		return read(part.name(b), b, depth)
	}
	groups := c.spec.Groups
	of := make([][]float64, groups.Count(c.layers)) // by layer group
	for b := -1; b <= c.layers; b++ {
		if b >= 0 && b < c.layers || part.filter == "" {
			g := c.group(groups, b)
			of[g] = append(of[g], at(b))
		}
	}
	if len(part.labels) == 1 { // one value for all groups
		means := []float64{}
		for _, values := range of {
			if len(values) > 0 {
				means = append(means, mean(values))
			}
		}
		return mean(means)
	}
	if part.filter != "" { // it has no value for the embedding
		i++
	}
	return mean(of[i])
}

// mean is the mean, and of equal values just that.
func mean(values []float64) float64 {
	if slices.Max(values) == slices.Min(values) {
		return values[0]
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// start implements coding: the middle of every range, as Optuna starts.
func (c *weightCoding) start() ([]float64, error) {
	if c.spec.Start == nil {
		return slices.Repeat([]float64{0.5}, len(c.all)), nil
	}
	return c.genome(*c.spec.Start)
}
