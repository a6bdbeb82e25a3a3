package zoo

import (
	"slices"

	"github.com/mergeway/mergeway/infer/picture"
)

// Document is a sample as the model sees it: token ids, and for each of them
// whether the model is to learn to say it.
type document struct {
	ids   []int32
	learn []bool

	seen *picture.Prepared // nil: no picture
	at   int               // where in ids the picture's tokens begin
}

// encoder turns text into token ids; text that spells a control token stays
// text.
type encoder func(text string) []int32

// layout is how samples become documents of one model.
type layout struct {
	encode encoder

	// For models that see: how pictures are prepared, and the token that stands for
	// each state of one.
	pictures *picture.Processor
	image    int32
}

// document lays a sample out in the chat format: begin, the prompt between its
// marks, the reply, end. A picture stands before the prompt's text, on a line of its
// own. Only the reply and the end are learnt.
func (l layout) document(s Sample) (d document, err error) {
	add := func(learn bool, ids ...int32) {
		for _, id := range ids {
			d.ids, d.learn = append(d.ids, id), append(d.learn, learn)
		}
	}
	add(false, idBegin)
	if s.Prompt != "" {
		add(false, idAsk)
		prompt := " " + s.Prompt + " "
		if s.Picture != nil {
			if d.seen, err = l.prepare(s.Picture); err != nil {
				return document{}, err
			}
			add(false, l.encode(" ")...)
			d.at = len(d.ids)
			add(false, slices.Repeat([]int32{l.image}, d.seen.Tokens())...)
			prompt = "\n" + s.Prompt + " "
		}
		add(false, l.encode(prompt)...)
		add(false, idAnswer)
	}
	if s.Lead != "" {
		add(false, l.encode(s.Lead)...)
	}
	add(true, l.encode(s.Reply)...)
	add(true, idEnd)
	return d, nil
}

// prepare makes of a painting what comes of its file when the model is used.
func (l layout) prepare(p *painting) (*picture.Prepared, error) {
	shown, err := picture.New(p.width, p.height, p.pixels())
	if err != nil {
		return nil, err
	}
	return l.pictures.Prepare(shown)
}

// batch is one training step's input, row by row: tokens [rows, length+1] and
// the weight of each predicted token [rows, length].
type batch struct {
	tokens  []int32
	weights []float32

	// Where pictures are shown: their tiles [view.tiles, 3, S, S], and for each token
	// [rows, length] which of their features stands in its place, counted through all
	// tiles; after the last the state that ends a row of patches; -1 for a token.
	tiles  []float32
	places []int32
	shown  int // tiles so far
}

// view is what of pictures a batch has room for: so many tiles, of so many numbers,
// of which the model makes so many features. The zero value: nothing.
type view struct{ tiles, size, features int }

// packer fills batches with whole documents. A long document opens a row, so
// that it stands at the start, where it will stand when the model is used;
// short ones fill up the rest.
type packer struct {
	rows, length int
	alone        bool // a row holds one document
	view         view
	next         func() (document, error)
	waiting      []document
}

// waitingRoom is how many documents may wait for a row with room for them.
const waitingRoom = 64

// fill makes the next batch.
func (p *packer) fill() (batch, error) {
	b := batch{
		tokens:  make([]int32, p.rows*(p.length+1)),
		weights: make([]float32, p.rows*p.length),
	}
	if p.view.tiles > 0 {
		b.tiles = make([]float32, p.view.tiles*p.view.size)
		b.places = slices.Repeat([]int32{-1}, p.rows*p.length)
	}
	for row := range p.rows {
		if err := p.fillRow(&b, row); err != nil {
			return batch{}, err
		}
	}
	return b, nil
}

// fillRow packs one row: the document that has waited longest, then whatever
// fits behind it.
func (p *packer) fillRow(b *batch, row int) error {
	tokens, weights := b.tokens[row*(p.length+1):][:p.length+1], b.weights[row*p.length:][:p.length]
	used := 0
	for {
		for len(p.waiting) < waitingRoom {
			d, err := p.next()
			if err != nil {
				return err
			}
			if len(d.ids) <= len(tokens) {
				p.waiting = append(p.waiting, d)
			}
		}
		at := slices.IndexFunc(p.waiting, func(d document) bool {
			return used+len(d.ids) <= len(tokens) && b.shown+d.tiles() <= p.view.tiles
		})
		if at < 0 {
			return nil
		}
		d := p.waiting[at]
		p.waiting = append(p.waiting[:at], p.waiting[at+1:]...)
		copy(tokens[used:], d.ids)
		for i, learn := range d.learn {
			// weights[j] belongs to the prediction of tokens[j+1].
			if j := used + i - 1; learn && j >= 0 {
				weights[j] = 1
			}
		}
		if d.seen != nil {
			p.show(b, d, row*p.length+used+d.at)
		}
		used += len(d.ids)
		if p.alone {
			return nil
		}
	}
}

// show puts a document's picture into the batch; its tokens begin at a place of it.
func (p *packer) show(b *batch, d document, at int) {
	for i, feature := range d.seen.Order {
		if feature < 0 {
			feature = int32((p.view.tiles - b.shown) * p.view.features)
		}
		b.places[at+i] = int32(b.shown*p.view.features) + feature
	}
	for _, tile := range d.seen.Tiles {
		copy(b.tiles[b.shown*p.view.size:], tile)
		b.shown++
	}
}

// tiles is how many the document's picture has.
func (d document) tiles() int {
	if d.seen == nil {
		return 0
	}
	return len(d.seen.Tiles)
}
