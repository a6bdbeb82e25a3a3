package merge

import (
	"cmp"
	"fmt"
	"slices"
)

// sharedNames are the parameters of the whole merge, as mergekit names them.
func (c choices) sharedNames() []string {
	var names []string
	for _, q := range c.each() {
		names = append(names, c.yamlName(q))
	}
	return append(slices.Concat(names, namesOf(c.shared), c.spanNames()), "int8_mask")
}

// spanNames are those that say what Recipe.Span says.
func (c choices) spanNames() []string {
	switch {
	case slices.Contains(c.spans, SpanColumns):
		return []string{"nuslerp_flatten", "nuslerp_row_wise"}
	case slices.Contains(c.spans, SpanRows):
		return []string{"filter_wise"}
	}
	return nil
}

// normalizeName is what mergekit calls Recipe.Normalize.
func (c choices) normalizeName() string {
	if c.sums() {
		return "normalize"
	}
	return "normalize_weights"
}

// readShared reads the parameters of the whole merge.
func (d *yamlReader) readShared() error {
	c := methods[d.doc.Recipe.Method]
	names := slices.Concat(c.ownNames(), c.sharedNames())
	if err := d.checkParameters(d.top.get("parameters"), names, "of the merge"); err != nil {
		return err
	}
	if err := d.checkParameters(d.module.get("parameters"), names, "of a module"); err != nil {
		return err
	}
	for _, s := range d.slices {
		if err := d.checkParameters(s.get("parameters"), names, "of a slice"); err != nil {
			return err
		}
	}
	r := &d.doc.Recipe
	for _, q := range c.shared {
		if len(r.Slices) > 0 {
			break // each has its own
		}
		setting, place, err := d.resolve(q.name, nil, (*yamlNode).number)
		if err != nil {
			return err
		}
		if place != nil {
			d.places["parameters."+q.name] = place
		}
		r.Parameters = r.Parameters.with(q.name, foldGroups(setting, r.Groups))
	}
	flatten, rowWise := true, false
	for _, q := range c.each() {
		if err := d.readEach(q, c); err != nil {
			return err
		}
	}
	for _, p := range append(c.spanNames(), "int8_mask") {
		n, err := d.sameInAll(p)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		d.places[p] = n
		var yes bool
		switch p {
		case "nuslerp_flatten":
			flatten, err = n.truth()
		case "nuslerp_row_wise":
			rowWise, err = n.truth()
		case "filter_wise":
			yes, err = n.truth()
			flatten = !yes
		case "int8_mask": // how mergekit saves memory, and nothing to us
			_, err = n.truth()
		}
		if err != nil {
			return err
		}
	}
	if r.Span != "" {
		r.Span = spanOf(flatten, rowWise)
	}
	if n := d.top.get(extensionKey).get("rescale"); n != nil { // the more precise word wins
		var err error
		d.places["rescale"] = n
		if r.Rescale, err = n.text(); err != nil {
			return err
		}
	}
	return nil
}

// yamlName is what mergekit calls a parameter of the whole merge.
func (c choices) yamlName(q parameter) string {
	if q.name == normalizeName {
		return c.normalizeName()
	}
	return q.name
}

// readEach reads a parameter that is a field of the recipe where it is one value, and
// one of its parameters, or of its slices', where it is several.
func (d *yamlReader) readEach(q parameter, c choices) error {
	r := &d.doc.Recipe
	name, each := c.yamlName(q), (*yamlNode).number
	if q.switches {
		each = (*yamlNode).truthNumber
	}
	if n, one := d.oneValue(name); one {
		if n == nil {
			return nil
		}
		d.places[q.name] = n
		v, err := each(n)
		if err != nil {
			return err
		}
		return d.say(q, v, n)
	}
	rescale := truth(r.Rescale != RescaleNone) // by default
	resolve := func(into *Parameters, at string) error {
		s, place, err := d.resolve(name, nil, each)
		if q.name == rescaleName && !s.covers() {
			s.Rules = append(s.Rules, Rule{Gradient: []float64{rescale}})
		}
		if q.name == rescaleName && r.Rescale == RescaleNone && slices.Contains(s.numbers(), 1) {
			r.Rescale = RescaleL1
		}
		if place != nil {
			d.places[at+"parameters."+q.name] = place
		}
		*into = into.with(q.name, foldGroups(s, r.Groups))
		return err
	}
	if len(r.Slices) == 0 {
		return resolve(&r.Parameters, "")
	}
	for i, s := range d.slices {
		d.slice = s
		if err := resolve(&r.Slices[i].Parameters, fmt.Sprintf("slices[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

// say sets the field that a parameter of one value is.
func (d *yamlReader) say(q parameter, v float64, n *yamlNode) error {
	r := &d.doc.Recipe
	switch q.name {
	case lambdaName:
		if v == 0 {
			return n.wrong("lambda 0 would be the base model, whatever the sources")
		}
		r.Lambda = v
	case normalizeName:
		r.Normalize = v != 0
	case rescaleName:
		if r.Rescale = RescaleNone; v != 0 {
			r.Rescale = RescaleL1
		}
	}
	return nil
}

// oneValue gives a parameter that has one value in all tensors by how it is written;
// nil if it isn't set.
func (d *yamlReader) oneValue(name string) (n *yamlNode, one bool) {
	top := d.merges(name)
	of := []*yamlNode{top}
	for i, s := range d.slices {
		of = append(of[:i], cmp.Or(s.get("parameters").get(name), top))
	}
	for _, n := range of {
		if (n == nil) != (of[0] == nil) || n != nil && (!n.plain() || n.scalar != of[0].scalar) {
			return nil, false
		}
	}
	return of[0], true
}

// sameInAll gives a parameter that all slices have in common; nil if it isn't set.
func (d *yamlReader) sameInAll(name string) (*yamlNode, error) {
	top := d.merges(name)
	if len(d.slices) == 0 {
		return top, nil
	}
	first := cmp.Or(d.slices[0].get("parameters").get(name), top)
	for i, s := range d.slices[1:] {
		n := cmp.Or(s.get("parameters").get(name), top)
		if (n == nil) != (first == nil) || n != nil && n.scalar != first.scalar {
			return nil, cmp.Or(n, s).wrong("%s is not what it is in slices[0]: it has to be the same in all, and slices[%d] has another", name, i+1)
		}
	}
	return first, nil
}

// spanOf turns mergekit's words for what is one vector into ours.
func spanOf(flatten, columns bool) string {
	switch {
	case flatten:
		return SpanTensor
	case columns:
		return SpanColumns
	}
	return SpanRows
}
