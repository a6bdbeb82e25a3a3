package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/merge"
)

// axis is a number of a recipe that is searched: the values that it has in the
// parts of a model are coordinates next to each other.
type axis struct {
	merge.Tunable
	span     ParameterRange
	sources  []int     // those that have it; of a number of the whole merge none
	sections []section // what its values are for, in order
}

// section is the values of an axis for the tensors that a filter fits, or that
// none does.
type section struct {
	filter string
	labels []string // one for each value
}

// name is as much of the name of a tensor of block i as tells that it is of the
// section.
func (s section) name(i int) string { return fmt.Sprintf("model.layers.%d.%s", i, s.filter) }

// constant reports whether an axis has one value only, which is no coordinate.
func (a axis) constant() bool { return a.span.Range[0] == a.span.Range[1] }

// size is the number of values.
func (a axis) size() int {
	n := 0
	for _, s := range a.sections {
		n += len(s.labels)
	}
	return n
}

// newAxis lays out the values of a number in models of so many blocks.
func newAxis(t merge.Tunable, span ParameterRange, sources []int, spec Spec, layers int) axis {
	a := axis{Tunable: t, span: span, sources: sources}
	if span.Over == OverModel {
		a.sections = []section{{labels: []string{sharedGroup}}}
		return a
	}
	groups := spec.Groups.Labels(layers)
	inner := groups // those of the blocks
	if len(groups) > 2 {
		inner = groups[1 : len(groups)-1]
	}
	if span.Every > 0 {
		span.Anchors = max(1, layers/span.Every)
		a.span = span
	}
	if span.Over == OverGradient {
		groups = make([]string, span.Anchors)
		for i := range groups {
			groups[i] = "depth " + strconv.FormatFloat(anchorDepth(i, span.Anchors), 'g', 3, 64)
		}
		inner = groups
	}
	for _, f := range spec.Filters {
		s := section{filter: f}
		for _, label := range inner {
			if len(inner) == 1 {
				s.labels = append(s.labels, f)
			} else {
				s.labels = append(s.labels, f+" "+label)
			}
		}
		a.sections = append(a.sections, s)
	}
	a.sections = append(a.sections, section{labels: groups})
	return a
}

// anchorDepth is how deep in the model value i of n of a gradient is.
func anchorDepth(i, n int) float64 { return float64(i) / float64(max(1, n-1)) }

// parameters describes the coordinates of an axis.
func (a axis) parameters(source string) []Parameter {
	if a.constant() {
		return nil
	}
	levels := 0
	if a.Whole {
		levels = int(a.span.Range[1]-a.span.Range[0]) + 1
	}
	var all []Parameter
	for _, s := range a.sections {
		for _, label := range s.labels {
			all = append(all, Parameter{
				Label:  strings.TrimSpace(fmt.Sprintf("%s %s %s", source, a.Name, label)),
				Source: source, Kind: a.Name, Group: label,
				Low: a.span.Range[0], High: a.span.Range[1], Levels: levels,
			})
		}
	}
	return all
}

// setting writes the values of an axis as a recipe has them.
func (a axis) setting(values []float64, groups merge.Grouping, layers int) merge.Setting {
	if len(a.sections) == 1 && a.span.Over != OverGradient {
		return merge.Numbers(values...)
	}
	var s merge.Setting
	for _, part := range a.sections {
		mine := values[:len(part.labels)]
		values = values[len(part.labels):]
		switch {
		case a.span.Over == OverGradient || len(mine) == 1:
			s.Rules = append(s.Rules, merge.Rule{Filter: part.filter, Gradient: mine})
		case part.filter == "":
			s.Rules = append(s.Rules, groups.Rules(mine, layers)...)
		default:
			byBlock := make([]float64, layers)
			for i := range byBlock {
				byBlock[i] = mine[groups.Index(block(i), layers)-1]
			}
			s.Rules = append(s.Rules, merge.Rule{Filter: part.filter, Gradient: byBlock})
		}
	}
	return s
}

// block is where block i of a model is.
func block(i int) arch.Group { return arch.Group{Part: arch.Block, Block: i} }
