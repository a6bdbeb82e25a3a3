package infer

import (
	"sync"

	"github.com/mergeway/mergeway/infer/device"
)

// gallery keeps what vision parts have made of pictures: a picture is seen once, for
// all that ask about it and all models that share the part. It takes what memory
// nobody else wants, up to a limit, and makes room when somebody does. What prompts
// are computed with stays. Safe for concurrent use.
type gallery struct {
	limit  int64 // bytes
	memory *device.Memory

	mu    sync.Mutex
	taken int64
	clock int64
	all   map[pictureKey]*features
	seen  int64 // pictures, whole
	tiles int64
	hits  int64 // pictures that somebody needed and that were there, or on their way
}

// features are the hidden states that a picture comes as. While some of its tiles
// are still to be seen, whoever needs them sees the next ones: see [Engine.see].
type features struct {
	key     pictureKey
	bytes   int64
	held    bool        // the bytes are reserved
	left    [][]float32 // tiles that are still to be seen
	tiles   [][]float32 // [P·D] of those that have been
	order   []int32     // which state is in which place, as a prepared picture has it
	newline []float32   // [D] the state of places that are in no tile; nil if there are none

	users int // prefills that need them
	last  int64
}

// whole tells whether all tiles have been seen.
func (f *features) whole() bool { return len(f.left) == 0 }

// at gives the hidden state [width] for a place of the picture.
func (f *features) at(place, width int) []float32 {
	i := int(f.order[place])
	if i < 0 {
		return f.newline
	}
	perTile := len(f.tiles[0]) / width
	begin := i % perTile * width
	return f.tiles[i/perTile][begin : begin+width]
}

// take gives the features of a picture, which take so many bytes: those that are
// there, or new ones that have seen nothing yet. The caller must release them.
func (g *gallery) take(v view, bytes int64) *features {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.all[v.key]
	if f == nil {
		f = &features{key: v.key, bytes: bytes, left: v.picture.Tiles, order: v.picture.Order}
		g.all[v.key] = f
	} else {
		g.hits++
	}
	g.clock++
	f.last = g.clock
	f.users++
	return f
}

// hold reserves the memory of features, before they see anything.
func (g *gallery) hold(f *features) error {
	if f.held {
		return nil
	}
	if err := g.memory.Reserve(f.bytes); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f.held = true
	g.taken += f.bytes
	return nil
}

// add gives features the states of the tiles that were next.
func (g *gallery) add(f *features, tiles [][]float32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.tiles, f.left = append(f.tiles, tiles...), f.left[len(tiles):]
	g.tiles += int64(len(tiles))
	if f.whole() {
		g.seen++
	}
}

// release gives features back. What nobody needs any more goes if it is not whole,
// and the least recently used beyond the limit do.
func (g *gallery) release(f *features) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.users--
	if f.users == 0 && !f.whole() {
		g.drop(f)
	}
	for g.taken > g.limit && g.dropOldest() {
	}
}

// makeRoom drops the least recently used features that nobody is using; it tells
// whether there were any.
func (g *gallery) makeRoom() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dropOldest()
}

// dropOldest is makeRoom for who holds the lock.
func (g *gallery) dropOldest() bool {
	var oldest *features
	for _, f := range g.all {
		if f.users == 0 && (oldest == nil || f.last < oldest.last) {
			oldest = f
		}
	}
	if oldest == nil {
		return false
	}
	g.drop(oldest)
	return true
}

// drop forgets features. The caller holds the lock.
func (g *gallery) drop(f *features) {
	delete(g.all, f.key)
	if f.held {
		f.held = false
		g.taken -= f.bytes
		g.memory.Release(f.bytes)
	}
}

// clear drops all that nobody is using.
func (g *gallery) clear() {
	for g.makeRoom() {
	}
}

// fill puts counts into stats.
func (g *gallery) fill(s *Stats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.PictureBytes, s.PicturesSeen, s.TilesSeen, s.PictureHits = g.taken, g.seen, g.tiles, g.hits
}
