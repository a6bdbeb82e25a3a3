package zoo

// Document is a sample as the model sees it: token ids, and for each of them
// whether the model is to learn to say it.
type document struct {
	ids   []int32
	learn []bool
}

// encoder turns text into token ids; text that spells a control token stays
// text.
type encoder func(text string) []int32

// document lays a sample out in the chat format: begin, the prompt between its
// marks, the reply, end. Only the reply and the end are learnt.
func (s Sample) document(encode encoder) document {
	var d document
	add := func(learn bool, ids ...int32) {
		for _, id := range ids {
			d.ids, d.learn = append(d.ids, id), append(d.learn, learn)
		}
	}
	add(false, idBegin)
	if s.Prompt != "" {
		add(false, idAsk)
		add(false, encode(" "+s.Prompt+" ")...)
		add(false, idAnswer)
	}
	if s.Lead != "" {
		add(false, encode(s.Lead)...)
	}
	add(true, encode(s.Reply)...)
	add(true, idEnd)
	return d
}

// batch is one training step's input, row by row: tokens [rows, length+1] and
// the weight of each predicted token [rows, length].
type batch struct {
	tokens  []int32
	weights []float32
}

// packer fills batches with whole documents. A long document opens a row, so
// that it stands at the start, where it will stand when the model is used;
// short ones fill up the rest.
type packer struct {
	rows, length int
	next         func() document
	waiting      []document
}

// waitingRoom is how many documents may wait for a row with room for them.
const waitingRoom = 64

// fill makes the next batch.
func (p *packer) fill() batch {
	b := batch{
		tokens:  make([]int32, p.rows*(p.length+1)),
		weights: make([]float32, p.rows*p.length),
	}
	for row := range p.rows {
		p.fillRow(b.tokens[row*(p.length+1):][:p.length+1], b.weights[row*p.length:][:p.length])
	}
	return b
}

// fillRow packs one row: the document that has waited longest, then whatever
// fits behind it.
func (p *packer) fillRow(tokens []int32, weights []float32) {
	used := 0
	for {
		for len(p.waiting) < waitingRoom {
			if d := p.next(); len(d.ids) <= len(tokens) {
				p.waiting = append(p.waiting, d)
			}
		}
		at := -1
		for i, d := range p.waiting {
			if used+len(d.ids) <= len(tokens) {
				at = i
				break
			}
		}
		if at < 0 {
			return
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
		used += len(d.ids)
	}
}
