package infer

import "sync"

// leastPrefix is the number of tokens below which a prefix is not worth saving.
const leastPrefix = 32

// savedPrefix is the beginning of a conversation whose keys and values are kept:
// token i lies at column first+i of a cache of one row.
type savedPrefix struct {
	weights *Weights
	tokens  []int32
	cache   kv
	first   int
	users   int  // sequences being made from it
	dropped bool // freed when the last of them is done
	last    int64
}

// prefixes are the saved beginnings: a system prompt that many conversations
// share, or a conversation that goes on, is computed once. They take what memory
// nobody else wants, up to a limit, and make room when somebody does. Safe for
// concurrent use.
type prefixes struct {
	limit int64 // bytes

	mu    sync.Mutex
	taken int64
	clock int64
	all   []*savedPrefix
	hits  int64 // tokens that needed no work
}

// find gives the saved prefix that most of tokens begins with, and how many
// they share; nil if none is worth it. The caller must release it.
func (p *prefixes) find(w *Weights, tokens []int32) (*savedPrefix, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *savedPrefix
	longest := leastPrefix - 1
	for _, s := range p.all {
		if s.weights == w {
			if n := shared(s.tokens, tokens); n > longest {
				best, longest = s, n
			}
		}
	}
	if best == nil {
		return nil, 0
	}
	p.clock++
	best.last = p.clock
	best.users++
	return best, longest
}

// shared is the number of tokens at the beginning that a and b have in common.
func shared(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// known tells whether all of tokens can be taken from a saved prefix.
func (p *prefixes) known(w *Weights, tokens []int32) bool {
	s, n := p.find(w, tokens)
	if s != nil {
		p.release(s)
	}
	return n == len(tokens)
}

// retain keeps a prefix from being freed until one more release.
func (p *prefixes) retain(s *savedPrefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users++
}

// count notes that so many tokens were taken from prefixes.
func (p *prefixes) count(tokens int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits += int64(tokens)
}

// release gives a prefix back that find gave, or retain.
func (p *prefixes) release(s *savedPrefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if s.dropped && s.users == 0 {
		s.cache.free()
	}
}

// put saves a prefix, in place of those that are a part of it, and lets go of
// the least recently used ones beyond the limit.
func (p *prefixes) put(s *savedPrefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, old := range append([]*savedPrefix{}, p.all...) {
		if old.weights == s.weights && shared(old.tokens, s.tokens) == len(old.tokens) {
			p.drop(old)
		}
	}
	p.clock++
	s.last = p.clock
	p.all = append(p.all, s)
	p.taken += s.cache.bytes()
	for p.taken > p.limit && p.dropOldest() {
	}
}

// fits tells whether a prefix of so many bytes may be saved at all.
func (p *prefixes) fits(bytes int64) bool { return bytes <= p.limit }

// makeRoom drops the least recently used prefix that nobody is using; it tells
// whether there was one.
func (p *prefixes) makeRoom() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropOldest()
}

// dropOldest is makeRoom for who holds the lock.
func (p *prefixes) dropOldest() bool {
	var oldest *savedPrefix
	for _, s := range p.all {
		if s.users == 0 && (oldest == nil || s.last < oldest.last) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	p.drop(oldest)
	return true
}

// drop forgets a prefix. The caller holds the lock.
func (p *prefixes) drop(s *savedPrefix) {
	for i, other := range p.all {
		if other == s {
			p.all = append(p.all[:i], p.all[i+1:]...)
			break
		}
	}
	p.taken -= s.cache.bytes()
	s.dropped = true
	if s.users == 0 {
		s.cache.free()
	}
}

// forget drops all prefixes of a model; with nil those of every model.
func (p *prefixes) forget(w *Weights) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range append([]*savedPrefix{}, p.all...) {
		if w == nil || s.weights == w {
			p.drop(s)
		}
	}
}

// usage gives the bytes that are taken, and the tokens that needed no work.
func (p *prefixes) usage() (bytes, hits int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, p.hits
}
