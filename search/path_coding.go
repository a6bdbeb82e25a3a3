package search

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// pathCoding is the paper's data-flow space. A genome says which slots are on, and
// holds what the scales are made of.
type pathCoding struct {
	spec   Spec
	layers []layer // all layers as they are laid out once; those of the base come first
	base   int     // how many are the base's
	slots  []int   // by slot its layer
	all    []Parameter
	pairs  map[[2]int]int // by layers that a hop leads from and to, the coordinate of its scale
	scales int            // where the coordinates of scales begin
	hops   int            // of the longest path
}

// layer is a block of a model.
type layer struct {
	model string
	block int
}

func (l layer) String() string { return l.model + " " + strconv.Itoa(l.block) }

// The network that gives scales: three numbers in, so many hidden units, one scale
// out. Its weights lie within ±maxNetworkWeight; all zero, it gives 1.
const (
	networkInputs    = 3
	networkHidden    = 8
	maxNetworkWeight = 2
)

// slotOn and slotOff are where a slot that is on or off lies at the beginning: near
// enough to the middle that the other is tried now and then.
const (
	slotOn  = 0.75
	slotOff = 0.25
)

// newPathCoding lays out the parameters for models of so many blocks each.
func newPathCoding(spec Spec, depths []int) (*pathCoding, error) {
	models := spec.pathModels()
	if len(depths) != len(models) {
		return nil, fault.New(fault.Internal, "%d models, of %d of which the depth is known", len(models), len(depths))
	}
	c := &pathCoding{spec: spec, base: depths[0], pairs: map[[2]int]int{}, hops: spec.Path.MaxHops}
	setDefault(&c.hops, max(2, min(2*c.base, merge.MaxHops)))
	for i, model := range models {
		for block := range depths[i] {
			c.layers = append(c.layers, layer{model, block})
		}
	}
	if n := spec.Path.Repeats * len(c.layers); n > MaxParameters { // before they are made
		return nil, fault.Bad("path", "%d slots: at most %d parameters can be searched at once", n, MaxParameters)
	}
	for repeat := range spec.Path.Repeats {
		for at, l := range c.layers {
			if repeat == 0 && (at == 0 || at == c.base-1) {
				continue // the ends
			}
			c.slots = append(c.slots, at)
			c.all = append(c.all, Parameter{
				Label:  fmt.Sprintf("%s, round %d", l, repeat),
				Source: l.model, Kind: slotKind, Group: strconv.Itoa(l.block), High: 1, Levels: 2,
			})
		}
	}
	c.scales = len(c.all)
	return c, c.addScales()
}

// addScales appends the parameters that scales are made of.
func (c *pathCoding) addScales() error {
	add := func(label string, l layer, kind string, r Range) {
		c.all = append(c.all, Parameter{Label: label, Source: l.model, Kind: kind, Group: strconv.Itoa(l.block), Low: r[0], High: r[1]})
	}
	r := c.spec.Path.ScaleRange
	switch c.spec.Path.Scales {
	case SlotScales:
		for i, at := range c.slots {
			add("scale of "+c.all[i].Label, c.layers[at], scaleKind, r)
		}
		add("scale of the end", c.layers[c.base-1], scaleKind, r)
	case NetworkScales:
		for i := range networkHidden*(networkInputs+2) + 1 {
			c.all = append(c.all, Parameter{Label: "network " + strconv.Itoa(i), Kind: networkKind, Group: sharedGroup, Low: -maxNetworkWeight, High: maxNetworkWeight})
		}
	case PairScales:
		if n := len(c.layers) * len(c.layers); n > MaxParameters {
			return fault.Bad("path.scales", "%d pairs of layers: at most %d parameters can be searched at once; have the scales by slot or by a network", n, MaxParameters)
		}
		for from := range c.layers {
			for to, l := range c.layers {
				if c.neighbours(from, to) || to == 0 && c.spec.Path.Repeats == 1 {
					continue
				}
				c.pairs[[2]int{from, to}] = len(c.all)
				add(fmt.Sprintf("scale from %s to %s", c.layers[from], l), l, scaleKind, r)
			}
		}
	}
	return nil
}

func (c *pathCoding) parameters() []Parameter { return c.all }

// neighbours tells whether a layer follows another in its model.
func (c *pathCoding) neighbours(from, to int) bool {
	a, b := c.layers[from], c.layers[to]
	return a.model == b.model && a.block+1 == b.block
}

// step is one layer of a path, and the slot that it is on for; -1 for the ends.
type step struct{ layer, slot int }

// steps are the layers that a genome has on, the ends with them.
func (c *pathCoding) steps(genome []float64) []step {
	path := []step{{0, -1}}
	last := step{c.base - 1, -1}
	room := c.hops
	if c.base > 1 {
		room--
	}
	for slot, at := range c.slots {
		if genome[slot] > 0.5 && len(path) < room {
			path = append(path, step{at, slot})
		}
	}
	if c.base > 1 {
		path = append(path, last)
	}
	return path
}

// recipe implements coding.
func (c *pathCoding) recipe(genome []float64) (merge.Recipe, error) {
	r := merge.Recipe{Method: merge.Dataflow, Base: c.spec.Base, Vision: c.spec.Vision}
	steps := c.steps(genome)
	for i, s := range steps {
		l := c.layers[s.layer]
		hop := merge.Hop{Model: l.model, Layer: l.block}
		if i > 0 && !c.neighbours(steps[i-1].layer, s.layer) {
			hop.Scale = c.scale(genome, steps, i)
		}
		r.Path = append(r.Path, hop)
	}
	return r, nil
}

// scale is that of a hop between layers that aren't neighbours.
func (c *pathCoding) scale(genome []float64, steps []step, i int) float64 {
	if at, own := c.scaleAt(steps, i); own {
		return c.all[at].Value(genome[at])
	}
	if c.spec.Path.Scales == NoScales {
		return 1
	}
	m := float64(len(c.layers))
	return c.network(genome[c.scales:], [networkInputs]float64{float64(steps[i-1].layer) / m, float64(steps[i].layer) / m, float64(i) / float64(c.hops)})
}

// scaleAt is the coordinate of a hop's scale, where scales have their own.
func (c *pathCoding) scaleAt(steps []step, i int) (at int, own bool) {
	from, to := steps[i-1], steps[i]
	switch c.spec.Path.Scales {
	case PairScales:
		return c.pairs[[2]int{from.layer, to.layer}], true
	case SlotScales:
		if to.slot < 0 {
			return len(c.all) - 1, true
		}
		return c.scales + to.slot, true
	}
	return 0, false
}

// network is the small network: one hidden layer of tanh, and a tanh that reaches
// the ends of the range.
func (c *pathCoding) network(weights []float64, in [networkInputs]float64) float64 {
	next := 0
	read := func() float64 {
		v := fromUnit(weights[next], Range{-maxNetworkWeight, maxNetworkWeight})
		next++
		return v
	}
	out := 0.0
	for range networkHidden {
		sum := read()
		for _, v := range in {
			sum += read() * v
		}
		out += read() * math.Tanh(sum)
	}
	out = math.Tanh(out + read())
	r := c.spec.Path.ScaleRange
	if out < 0 {
		out *= 1 - r[0]
	} else {
		out *= r[1] - 1
	}
	return math.Round((1+out)*decimals) / decimals
}

// genome implements coding. Of the slots that a hop could be on for, it gets the
// first. A network is not made out from its scales.
func (c *pathCoding) genome(r merge.Recipe) ([]float64, error) {
	if r.Method != merge.Dataflow || r.Base != c.spec.Base {
		return nil, fault.Bad("start", "the recipe has to be a path of the base %q", c.spec.Base)
	}
	genome := c.resting()
	for slot := range c.slots {
		genome[slot] = slotOff
	}
	index := map[layer]int{}
	for i, l := range c.layers {
		index[l] = i
	}
	steps := []step{}
	slot := 0
	for i, h := range r.Path {
		at, known := index[layer{h.Model, h.Layer}]
		if !known {
			return nil, fault.Bad("start", "hop %d leads to layer %d of %q, which the search does not have", i, h.Layer, h.Model)
		}
		switch end := c.base - 1; {
		case i == 0 && at != 0 || i == len(r.Path)-1 && at != end:
			return nil, fault.Bad("start", "the path has to begin with the first block of %q and to end with its last", c.spec.Base)
		case i == 0 || i == len(r.Path)-1:
			steps = append(steps, step{at, -1})
			continue
		}
		for slot < len(c.slots) && c.slots[slot] != at {
			slot++
		}
		if slot == len(c.slots) {
			return nil, fault.Bad("start", "hop %d, and those after it, are on no slot: the layers would have to be laid out more often", i)
		}
		genome[slot] = slotOn
		steps = append(steps, step{at, slot})
		slot++
	}
	if len(steps) > c.hops {
		return nil, fault.Bad("start", "the path has %d hops, of at most %d", len(steps), c.hops)
	}
	for i, h := range r.Path {
		if i > 0 && !c.neighbours(steps[i-1].layer, steps[i].layer) {
			c.setScale(genome, steps, i, h)
		}
	}
	return genome, nil
}

// setScale is the other way of scale.
func (c *pathCoding) setScale(genome []float64, steps []step, i int, h merge.Hop) {
	v := h.Scale
	setDefault(&v, 1)
	if at, own := c.scaleAt(steps, i); own {
		genome[at] = toUnit(v, c.spec.Path.ScaleRange)
	}
}

// resting is a genome whose path is the base, and whose scales are 1.
func (c *pathCoding) resting() []float64 {
	genome := slices.Repeat([]float64{0.5}, len(c.all))
	next := 1 // of the base's blocks
	for slot, at := range c.slots {
		genome[slot] = slotOff
		if at == next && next < c.base-1 {
			genome[slot] = slotOn
			next++
		}
	}
	for i, p := range c.all {
		if p.Kind == scaleKind {
			genome[i] = toUnit(1, c.spec.Path.ScaleRange)
		}
	}
	return genome
}

// start implements coding: the base itself, as the paper starts.
func (c *pathCoding) start() ([]float64, error) {
	if c.spec.Start == nil {
		return c.resting(), nil
	}
	return c.genome(*c.spec.Start)
}
