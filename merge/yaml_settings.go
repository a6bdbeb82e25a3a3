package merge

import (
	"slices"
	"strings"
)

// checkParameters refuses parameters besides these.
func (d *yamlReader) checkParameters(n *yamlNode, known []string, of string) error {
	if n == nil {
		return nil
	}
	if !n.isMap {
		return n.wrong("this must be a map from parameters to their values")
	}
	method := d.doc.Recipe.Method
	for _, key := range n.keys {
		switch {
		case slices.Contains(known, key):
		case slices.Contains(methods[method].sharedNames(), key):
			return n.fields[key].wrong("%q is a parameter of the whole merge", key)
		default:
			return n.fields[key].wrong("%q knows no parameter %q %s: it has %s", string(method), key, of, strings.Join(known, ", "))
		}
	}
	return nil
}

// resolve gives the value of a model's parameter. mergekit looks for it with the
// model itself, then with the slice, the module, and at the top; where no filter of one
// fits a tensor, the next is asked. So they are one list of rules after another.
// The node is the first of them, nil if there is none.
// Each says how a single value is read.
func (d *yamlReader) resolve(name string, own *yamlNode, each yamlValue) (s Setting, place *yamlNode, err error) {
	for _, scope := range []*yamlNode{own, d.slice.get("parameters"), d.module.get("parameters"), d.top.get("parameters")} {
		n := scope.get(name)
		if n == nil {
			continue
		}
		if place == nil {
			place = n
		}
		rules, err := n.rules(each)
		if err != nil {
			return Setting{}, nil, err
		}
		s.Rules = append(s.Rules, rules...)
		if s.covers() {
			break
		}
	}
	if len(s.Rules) == 1 && s.Rules[0].Filter == "" && len(s.Rules[0].Gradient) == 1 {
		return Setting{Values: s.Rules[0].Gradient}, place, nil
	}
	return s, place, nil
}

// yamlValue reads a single value of a parameter.
type yamlValue func(*yamlNode) (float64, error)

// rules reads the value of a parameter: a number, a gradient, or numbers and
// gradients for tensors with certain names.
func (n *yamlNode) rules(each yamlValue) ([]Rule, error) {
	switch {
	case n.isMap:
		r, err := n.rule(each)
		return []Rule{r}, err
	case !n.isList || len(n.list) == 0 || !n.list[0].isMap:
		gradient, err := n.gradient(each)
		return []Rule{{Gradient: gradient}}, err
	}
	var rules []Rule
	for _, item := range n.list {
		r, err := item.rule(each)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// rule reads a value with its filter.
func (n *yamlNode) rule(each yamlValue) (Rule, error) {
	if err := n.known("filter", "value"); err != nil {
		return Rule{}, err
	}
	var r Rule
	var err error
	if f := n.get("filter"); f != nil {
		if r.Filter, err = f.text(); err != nil {
			return Rule{}, err
		}
		if r.Filter == "*" {
			r.Filter = ""
		}
	}
	v := n.get("value")
	if v == nil {
		return Rule{}, n.wrong("the value is missing")
	}
	r.Gradient, err = v.gradient(each)
	return r, err
}

// gradient reads a number, or a list of them.
func (n *yamlNode) gradient(each yamlValue) ([]float64, error) {
	if !n.isList {
		v, err := each(n)
		return []float64{v}, err
	}
	if len(n.list) == 0 {
		return nil, n.wrong("a list of no numbers")
	}
	values := make([]float64, len(n.list))
	for i, item := range n.list {
		var err error
		if values[i], err = each(item); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// The parts of tensors' names by which [Recipe.YAML] tells layer groups apart.
const (
	embeddingFilter = "embed_tokens"
	blocksFilter    = "model.layers."
)

// unfoldGroups writes one number for each layer group as rules, for a model of
// so many blocks.
func unfoldGroups(values []float64, g Grouping, layers int) []Rule {
	blocks := []float64{values[1]}
	if g != Ends {
		blocks = make([]float64, layers)
		for i := range blocks {
			blocks[i] = values[g.block(i, layers)]
		}
	}
	return []Rule{
		{Filter: embeddingFilter, Gradient: values[:1]},
		{Filter: blocksFilter, Gradient: blocks},
		{Gradient: values[len(values)-1:]},
	}
}

// foldGroups is the way back: rules that unfoldGroups may have written become
// one number for each layer group. Others stay as they are.
func foldGroups(s Setting, g Grouping) Setting {
	if len(s.Rules) != 3 || g == WholeModel || !g.known() ||
		s.Rules[0].Filter != embeddingFilter || s.Rules[1].Filter != blocksFilter || s.Rules[2].Filter != "" ||
		len(s.Rules[0].Gradient) != 1 || len(s.Rules[2].Gradient) != 1 {
		return s
	}
	blocks := s.Rules[1].Gradient
	layers := len(blocks)
	if g == Ends && layers != 1 || g == Halves && layers < 2 {
		return s
	}
	values := make([]float64, g.Count(layers))
	values[0], values[len(values)-1] = s.Rules[0].Gradient[0], s.Rules[2].Gradient[0]
	for i, v := range blocks {
		values[g.block(i, layers)] = v
	}
	for i, v := range blocks {
		if values[g.block(i, layers)] != v {
			return s
		}
	}
	return Setting{Values: values}
}
