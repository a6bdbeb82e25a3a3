package search

import (
	"context"

	"github.com/mergeway/mergeway/merge"
)

// inputs are the models of a search that other recipes make, by name, as they were
// when it began: an alias may move, and a recipe be deleted, while it runs.
type inputs map[string]merge.Recipe

// in gives a recipe those of them that it names.
func (in inputs) in(r merge.Recipe) merge.Recipe {
	if len(in) == 0 {
		return r
	}
	r.Inputs = nil
	for _, name := range r.Models() {
		if made, there := in[name]; there {
			if r.Inputs == nil {
				r.Inputs = map[string]merge.Recipe{}
			}
			r.Inputs[name] = made
		}
	}
	return r
}

// settle finds out what the names of a spec's models stand for: it gives the spec
// with the names that sources have, and the inputs.
func (s Spec) settle(ctx context.Context, lab Lab) (Spec, inputs, error) {
	all := merge.NewRecipe(merge.Linear)
	for _, name := range append([]string{s.Base}, s.Sources...) {
		all.Sources = append(all.Sources, merge.Source{Model: name, Weight: merge.Numbers(1)})
	}
	all.Tokenizer, all.Vision = s.Tokenizer, s.Vision
	settled, err := lab.Expand(ctx, all)
	if err != nil {
		return s, nil, err
	}
	s.Base, s.Tokenizer, s.Vision = settled.Sources[0].Model, settled.Tokenizer, settled.Vision
	s.Sources = make([]string, len(settled.Sources)-1)
	for i, source := range settled.Sources[1:] {
		s.Sources[i] = source.Model
	}
	return s, settled.Inputs, nil
}
