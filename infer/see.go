package infer

import (
	"slices"

	"github.com/mergeway/mergeway/infer/arch"
)

const (
	// seeWork bounds what vision does before others get a turn: that many
	// multiplications by weights. A tile at the least is seen at a time.
	seeWork = 1 << 35
	// maxTilesAtOnce bounds it whatever the model.
	maxTilesAtOnce = 8
	// maxRest is the most turns that seeing rests for.
	maxRest = 16
)

// tilesAtOnce is how many of the tiles that are left are seen in one unit: a power of
// two, for each number is a program. It depends on nothing but the vision part and the
// place in the picture, so that features never depend on who was there first.
func tilesAtOnce(v *Vision, left int) int {
	work := tileWork(v)
	n := 1
	for 2*n <= min(left, maxTilesAtOnce) && 2*n*work <= seeWork {
		n *= 2
	}
	return n
}

// tileWork is how many multiplications by weights a tile takes.
func tileWork(v *Vision) (n int) {
	for _, p := range arch.VisionParams(v.config, v.width) {
		size := v.config.Features()
		for _, d := range p.Shape {
			size *= d
		}
		n += size
	}
	return n
}

// featureBytes is what a picture's features take.
func featureBytes(w *Weights, v view, vision *Vision) int64 {
	return int64(len(v.picture.Tiles)) * int64(vision.Config().Features()) * int64(w.config.HiddenSize) * 4
}

// look gets hold of the features that computing p takes: none of pictures whose keys
// and values come from elsewhere.
func (p *prefill) look(e *Engine) {
	width := len(p.tokens[0])
	held := map[pictureKey]bool{}
	for _, s := range p.rows {
		for _, v := range s.views {
			if held[v.key] || v.end() <= len(s.tokens)-width || v.at >= len(s.tokens) {
				continue
			}
			held[v.key] = true
			p.pictures = append(p.pictures, e.gallery.take(v, featureBytes(p.weights, v, s.model.Vision)))
		}
	}
}

// forget gives the features back.
func (p *prefill) forget(e *Engine) {
	for _, f := range p.pictures {
		e.gallery.release(f)
	}
	p.pictures = nil
}

// unseen gives features that have still to see something, with a vision part to see
// it with: that of a sequence that has not ended, whose model is there. nil: there
// are none.
func (p *prefill) unseen() (*features, *Vision) {
	for _, f := range p.pictures {
		if f.whole() {
			continue
		}
		for _, s := range p.readers {
			if !s.done && slices.ContainsFunc(s.views, func(v view) bool { return v.key == f.key }) {
				return f, s.model.Vision
			}
		}
	}
	return nil, nil
}

// see lets features see the next tiles of their picture. To see a tile may take as
// long as several chunks of a small decoder's prompts; then p rests for as many turns,
// so that those who read get their tokens as fast as beside a prompt of text.
func (e *Engine) see(p *prefill, f *features, v *Vision) error {
	if err := e.gallery.hold(f); err != nil {
		return err
	}
	if f.newline == nil && slices.Contains(f.order, -1) {
		newline, err := e.computer.newline(v)
		if err != nil {
			return err
		}
		f.newline = newline
	}
	n := tilesAtOnce(v, len(f.left))
	tiles, err := e.computer.see(v, f.left[:n])
	if err != nil {
		return err
	}
	e.gallery.add(f, tiles)
	chunk := max(1, e.options.ChunkTokens*parameters(p.weights))
	p.rest = e.turns + min(maxRest, (n*tileWork(v)+chunk-1)/chunk)
	return nil
}

// rests tells whether it has seen so much that others go first in this turn.
func (p *prefill) rests(turn int) bool {
	return turn < p.rest || p.head != nil && p.head.rests(turn)
}

// sights is the number of units that are left to see.
func (p *prefill) sights() (n int) {
	for _, f := range p.pictures {
		n += len(f.left)
	}
	return n
}

// given are hidden states in the place of tokens, of a pass over rows of T tokens.
type given struct {
	states []float32 // [rows·T·D], zero where a token is
	mask   []bool    // [rows·T] where no token is
}

// given is what stands in columns from..from+n-1 of p.tokens; nil if all are tokens.
func (p *prefill) given(from, n int) *given {
	width := p.weights.config.HiddenSize
	var all *given
	for b, s := range p.rows {
		first := len(s.tokens) - len(p.tokens[b]) + from // place of the first of the columns
		for _, v := range s.views {
			begin, end := max(v.at, first), min(v.end(), first+n, len(s.tokens))
			if begin >= end {
				continue
			}
			if all == nil {
				size := len(p.tokens) * n
				all = &given{make([]float32, size*width), make([]bool, size)}
			}
			i := slices.IndexFunc(p.pictures, func(f *features) bool { return f.key == v.key })
			for place := begin; place < end; place++ {
				at := b*n + place - first
				all.mask[at] = true
				if p.pictures[i].whole() { // or nobody reads on
					copy(all.states[at*width:(at+1)*width], p.pictures[i].at(place-v.at, width))
				}
			}
		}
	}
	return all
}
