package constrain

import (
	"errors"
	"runtime"
	"sync"

	"github.com/mergeway/mergeway/fault"
)

// Matcher follows one sequence through a grammar: for each token of a reply,
// [Matcher.Mask] and then [Matcher.Accept]. Calls exclude each other, so that a
// sequence may be closed while it computes.
type Matcher struct {
	vocabulary     *vocabulary
	special, first []uint32 // of its grammar
	cleanup        runtime.Cleanup

	mu     sync.Mutex
	native *nativeMatcher // nil once closed
	mask   []uint32
	begun  bool // a token has been accepted
	ended  bool // a token that ends the reply has been accepted
}

var errClosed = errors.New("the matcher is closed")

// Mask gives the tokens that may come next as a set of bits: bit id%32 of word
// id/32, for all rows of the vocabulary. Tokens that end the reply are in it
// exactly if the text is whole; a matcher that has stopped allows nothing else.
// The slice is the matcher's own and good until its next call.
//
// An error ends the sequence: the grammar became too complex at this point
// (fault.TooLarge), or no token of the vocabulary goes on where it must
// (fault.Invalid).
func (m *Matcher) Mask() ([]uint32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.native == nil {
		return nil, fault.Wrap(errClosed, fault.Internal, "mask")
	}
	v := m.vocabulary
	if m.stopped() {
		copy(m.mask, v.eos)
		return m.mask, nil
	}
	if err := m.native.mask(m.mask); err != nil {
		return nil, stepFault(err)
	}
	for i := range m.mask {
		allowed := v.text[i]
		if !m.begun {
			allowed = m.first[i]
		}
		m.mask[i] &= allowed | m.special[i] | v.eos[i]
	}
	if isEmpty(m.mask) && !m.native.mayEnd() {
		return nil, fault.New(fault.Invalid, "no token of this model's vocabulary can follow")
	}
	return m.mask, nil
}

// Accept goes on by a token. One that the mask doesn't allow is an error that
// changes nothing.
func (m *Matcher) Accept(token int32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.native == nil {
		return fault.Wrap(errClosed, fault.Internal, "accept token %d", token)
	}
	v := m.vocabulary
	refused := fault.New(fault.Internal, "token %d can't follow here", token)
	if hasBit(v.eos, token) {
		if m.ended || !m.native.stopped() && !m.native.mayEnd() || m.native.err() != nil {
			return refused
		}
		m.ended = true
		return nil
	}
	known := v.text
	if !m.begun {
		known = m.first
	}
	if m.stopped() || !hasBit(known, token) && !hasBit(m.special, token) {
		return refused
	}
	ok, err := m.native.allows(token)
	if err != nil {
		return stepFault(err)
	}
	if !ok {
		return refused
	}
	if err := m.native.take(token); err != nil {
		return stepFault(err)
	}
	m.begun = true
	return nil
}

// Stopped tells whether the text is whole and nothing can be added to it: the
// sequence may end without waiting for the model to say so.
func (m *Matcher) Stopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.native != nil && m.stopped()
}

func (m *Matcher) stopped() bool {
	return m.ended || m.native.stopped() && m.native.err() == nil
}

// Close gives the memory back. Closing twice is allowed.
func (m *Matcher) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.native == nil {
		return
	}
	m.cleanup.Stop()
	m.native.free()
	m.native = nil
}
