package merge

// Tunable is a number that a search may look for: a weight, a density, lambda, or
// one of a method's own parameters.
type Tunable struct {
	Name string // "weight", "density", "lambda", or as mergekit has it
	// Low and High are the least and the most that makes sense to look for.
	Low, High float64
	Default   float64 // what holds where nothing is said
	Required  bool    // there is no default
	Own       bool    // each source has it; else the whole merge
	Whole     bool    // it is an integer
	Uniform   bool    // it is the same in all tensors
}

// The names of tunables that are not parameters of one method.
const (
	TunableWeight  = "weight"
	TunableDensity = "density"
	TunableLambda  = "lambda"
)

// leastTunable is the least that a search looks for where zero makes no sense.
const leastTunable = 1e-3

// Tunables lists the numbers of the method that can be searched for: those of each
// source, weights and densities first, and then those of the whole merge.
func (m Method) Tunables() []Tunable {
	c, ok := methods[m]
	if !ok {
		return nil
	}
	var all []Tunable
	if c.weight != noWeight {
		all = append(all, Tunable{Name: TunableWeight, Low: -MaxScale, High: MaxScale, Own: true})
	}
	if c.sparsify != keepAll {
		all = append(all, Tunable{Name: TunableDensity, Low: leastTunable, High: 1, Default: 1, Own: true})
	}
	for _, p := range c.own {
		all = append(all, p.tunable(true))
	}
	for _, p := range c.shared {
		all = append(all, p.tunable(false))
	}
	if c.scales() {
		all = append(all, Tunable{Name: TunableLambda, Low: leastTunable, High: MaxScale, Default: 1, Uniform: true})
	}
	return all
}

// tunable is the parameter as searches see it.
func (p parameter) tunable(own bool) Tunable {
	return Tunable{
		Name: p.name, Low: p.low, High: p.high, Default: p.fallback, Required: p.required,
		Own: own, Whole: p.whole, Uniform: p.whole,
	}
}

// Tune sets a tunable of source number i, or of the whole merge.
func (r *Recipe) Tune(t Tunable, i int, to Setting) {
	switch {
	case t.Own:
		r.Sources[i].set(methods[r.Method], t.field(r.Method), to)
	case t.Name == TunableLambda:
		r.Lambda, _ = to.uniform()
	default:
		r.Parameters = r.Parameters.with(t.Name, to)
	}
}

// Tuned gives what Tune has set. What a recipe doesn't say is a zero Setting.
func (r Recipe) Tuned(t Tunable, i int) Setting {
	switch {
	case t.Own:
		return r.Sources[i].get(methods[r.Method], t.field(r.Method))
	case t.Name != TunableLambda:
		return r.Parameters[t.Name]
	case r.Lambda == 0:
		return Setting{}
	}
	return Numbers(r.Lambda)
}

// field is what the method calls the tunable.
func (t Tunable) field(m Method) string {
	if t.Name == TunableWeight {
		return methods[m].weightName()
	}
	return t.Name
}

// At gives the value that a setting has in a tensor of that name, which belongs to a
// layer group and lies as deep in the model: 0 in the first block and outside of the
// blocks, 1 in the last. The fallback holds where nothing is said.
func (s Setting) At(name string, group int, depth, fallback float64) float64 {
	return s.at(place{name: name, group: group, depth: depth}, fallback)
}

// Rules says by rules what one value for each layer group says, in a model of so
// many blocks.
func (g Grouping) Rules(values []float64, layers int) []Rule {
	if len(values) == 1 {
		return []Rule{{Gradient: values}}
	}
	return unfoldGroups(values, g, layers)
}
