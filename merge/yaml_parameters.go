package merge

import (
	"cmp"
	"slices"
)

// sharedNames are the parameters of the whole merge, as mergekit names them.
func (c choices) sharedNames() []string {
	var names []string
	if c.normalizes() {
		names = append(names, c.normalizeName())
	}
	if c.scales() {
		names = append(names, "lambda")
	}
	if c.sparsify != keepAll {
		names = append(names, "rescale")
	}
	names = append(names, namesOf(c.shared)...)
	switch {
	case slices.Contains(c.spans, SpanColumns):
		names = append(names, "nuslerp_flatten", "nuslerp_row_wise")
	case slices.Contains(c.spans, SpanRows):
		names = append(names, "filter_wise")
	}
	return append(names, "int8_mask")
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
		setting, place, err := d.resolve(q.name, nil)
		if err != nil {
			return err
		}
		if place != nil {
			d.places["parameters."+q.name] = place
		}
		r.Parameters = r.Parameters.with(q.name, foldGroups(setting, r.Groups))
	}
	flatten, rowWise := true, false
	for _, p := range c.sharedNames() {
		n, err := d.sameInAll(p, namesOf(c.shared))
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		d.places[p] = n
		var yes bool
		switch p {
		case "normalize", "normalize_weights":
			d.places["normalize"] = n
			r.Normalize, err = n.truth()
		case "rescale":
			yes, err = n.truth()
			r.Rescale = RescaleNone
			if yes {
				r.Rescale = RescaleL1
			}
		case "lambda":
			err = d.readLambda(n)
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

// readLambda reads what scales the merged difference: a number or, where there are
// no slices, a gradient or filters as well.
func (d *yamlReader) readLambda(n *yamlNode) (err error) {
	r := &d.doc.Recipe
	if !n.isMap && !n.isList || len(r.Slices) > 0 {
		if r.Lambda, err = n.number(); err == nil && r.Lambda == 0 {
			err = n.wrong("lambda 0 would be the base model, whatever the sources")
		}
		return err
	}
	setting, place, err := d.resolve(lambdaName, nil)
	d.places["parameters."+lambdaName] = place
	r.Parameters = r.Parameters.with(lambdaName, foldGroups(setting, r.Groups))
	return err
}

// sameInAll gives a parameter that all slices have in common; nil if it isn't set,
// or is one of those that each slice may have for itself.
func (d *yamlReader) sameInAll(name string, own []string) (*yamlNode, error) {
	top := d.merges(name)
	if len(d.slices) == 0 || slices.Contains(own, name) {
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
