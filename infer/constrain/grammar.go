package constrain

import (
	"runtime"
	"strings"
	"sync"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

var _ infer.Constraint = (*Grammar)(nil)

// Grammar is a compiled [Spec] for one vocabulary. It never changes and is safe
// for concurrent use.
type Grammar struct {
	vocabulary *vocabulary
	special    []uint32       // bits of the special tokens that it names
	first      []uint32       // bits of the tokens that may begin a text
	mu         sync.Mutex     // llguidance doesn't say that clones may be made at once
	start      *nativeMatcher // at the beginning; every matcher is a clone of it
}

func newGrammar(v *vocabulary, param string, l Limits, text source) (*Grammar, error) {
	special, first := newBits(v.rows), v.first
	for _, id := range text.tokens {
		if id < 0 || int(id) >= v.rows {
			return nil, fault.New(fault.Internal, "a grammar names token %d of %d", id, v.rows)
		}
		setBit(special, id)
	}
	if text.free {
		first = v.text
	}
	start, err := newNativeMatcher(v.native, l, text.kind, text.data)
	if err != nil {
		return nil, refusal(param, err)
	}
	g := &Grammar{vocabulary: v, special: special, first: first, start: start}
	runtime.AddCleanup(g, func(m *nativeMatcher) { m.free() }, start)
	// What can't even begin is said now and not in the middle of a batch.
	m := g.newMatcher()
	defer m.Close()
	if _, err := m.Mask(); err != nil {
		return nil, refusal(param, err)
	}
	return g, nil
}

// refusal says in a caller's terms what llguidance says in its own.
func refusal(param string, err error) error {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "panic"):
		text = "it can't be compiled"
	case strings.Contains(text, "coerce_one_of"):
		text = "oneOf is supported only where no value fits two of its options; anyOf allows that"
	}
	if text == err.Error() {
		err = nil
	}
	return &fault.Error{Code: fault.Invalid, Param: param, Message: text, Err: err}
}

// NewMatcher begins a text. The caller closes it. It implements
// [infer.Constraint].
func (g *Grammar) NewMatcher() (infer.Matcher, error) { return g.newMatcher(), nil }

func (g *Grammar) newMatcher() *Matcher {
	g.mu.Lock()
	native := g.start.clone()
	g.mu.Unlock()
	runtime.KeepAlive(g)
	m := &Matcher{vocabulary: g.vocabulary, special: g.special, first: g.first, native: native, mask: newBits(g.vocabulary.rows)}
	// Who forgets to close gives the memory back all the same, only later.
	m.cleanup = runtime.AddCleanup(m, func(n *nativeMatcher) { n.free() }, native)
	return m
}
