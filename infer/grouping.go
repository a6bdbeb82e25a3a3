package infer

// grouping tells which of those that wait begin with first, by their pictures.
//
// Users that come with another picture go by themselves: nobody waits for a picture
// that he did not ask about. A search's go together, unless the first one's picture is
// asked about so often that to compute its places once, as the beginning that all have
// in common, saves a unit of work. The features of a group's pictures lie in memory at
// the same time, so that there is a limit to them.
func (e *Engine) grouping(first *sequence, waiting []*sequence) func(*sequence) bool {
	if !first.seeing() {
		return func(*sequence) bool { return true }
	}
	lead := first.views[0]
	same := func(s *sequence) bool { return s.views[0].key == lead.key && s.views[0].at == lead.at }
	alone := !first.request.Background || e.paysAlone(first, waiting, same)
	room := max(e.gallery.limit, viewBytes(first.model, first.views, nil))
	held := map[pictureKey]bool{}
	return func(s *sequence) bool {
		if alone && !same(s) {
			return false
		}
		fresh := viewBytes(s.model, s.views, held)
		if fresh > room {
			return false
		}
		room -= fresh
		for _, v := range s.views {
			held[v.key] = true
		}
		return true
	}
}

// paysAlone tells whether a search's sequences with the first one's picture are
// better off without the others.
func (e *Engine) paysAlone(first *sequence, waiting []*sequence, same func(*sequence) bool) bool {
	others := -1
	for _, s := range waiting {
		if together(first, s) && same(s) {
			others++
		}
	}
	return others*first.views[0].end() >= e.unit(first.model.Weights, true)
}

// seeing tells whether there are pictures in the prompt.
func (s *sequence) seeing() bool { return len(s.views) > 0 }
