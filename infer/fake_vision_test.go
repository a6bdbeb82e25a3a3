package infer

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// The fake vision part gives for each patch a hidden state that holds a number, which
// is a function of the vision part, the whole tile and the patch. The fake device
// keeps that number where it keeps tokens, so that replies depend on it: a picture,
// row, tile or place that is mixed up comes out as a wrong word.

const (
	glimpseWidth = 2   // of the fake hidden states: the number, and one
	fakeImage    = 999 // the image token
)

// sight is a tile that the device was asked to see.
type sight struct {
	vision string
	tile   float32 // its first pixel, by which tests tell tiles apart
	unit   int     // calls of the device before
}

// fakeVision is a vision part whose tiles have four patches.
func fakeVision(id string) *Vision {
	return &Vision{id: id, width: glimpseWidth, config: checkpoint.VisionConfig{ModelType: "llava_next", ImageSize: 2, PatchSize: 1, ImageTokenID: fakeImage}}
}

// fakePicture is a picture of so many tiles, in whose places patches and newlines come
// in any order.
func fakePicture(seed, tiles int) *picture.Prepared {
	r := rand.New(rand.NewPCG(uint64(seed), 9))
	p := &picture.Prepared{}
	for i := range p.Hash {
		p.Hash[i] = byte(r.Uint32())
	}
	for range tiles {
		tile := make([]float32, 3*2*2)
		for i := range tile {
			tile[i] = r.Float32()
		}
		p.Tiles = append(p.Tiles, tile)
	}
	for i := range 4 * tiles {
		p.Order = append(p.Order, int32(i))
		if i%3 == 2 {
			p.Order = append(p.Order, -1)
		}
	}
	r.Shuffle(len(p.Order), func(i, j int) { p.Order[i], p.Order[j] = p.Order[j], p.Order[i] })
	return p
}

// glimpse is the number of a patch; that of no tile is the newline's.
func glimpse(v *Vision, tile []float32, patch int) int32 {
	h := fnv.New32a()
	h.Write([]byte(v.id))
	for _, x := range tile {
		bits := math.Float32bits(x)
		h.Write([]byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
	}
	h.Write([]byte{byte(patch)})
	return fakeVocab + int32(h.Sum32()>>10) // float32 holds it exactly
}

func (f *fakeComputer) see(v *Vision, tiles [][]float32) ([][]float32, error) {
	f.compiles("see", len(tiles))
	f.clock = f.clock.Add(time.Duration(len(tiles) * v.config.Features()))
	var all [][]float32
	for _, tile := range tiles {
		f.sights = append(f.sights, sight{v.id, tile[0], len(f.passes)})
		var states []float32
		for patch := range v.config.Features() {
			states = append(states, float32(glimpse(v, tile, patch)), 1)
		}
		all = append(all, states)
	}
	return all, nil
}

func (f *fakeComputer) newline(v *Vision) ([]float32, error) {
	return []float32{float32(glimpse(v, nil, 0)), 1}, nil
}

// inPlaceOf is what a pass finds at a place: a token, or the number of a hidden state.
func (g *given) inPlaceOf(token int32, at int) int32 {
	if g == nil || !g.mask[at] {
		if token < 0 {
			panic("a pass over text has a number below zero in the place of a token")
		}
		return token
	}
	if g.states[at*glimpseWidth+1] != 1 {
		return -1 // of nobody who reads on
	}
	return int32(g.states[at*glimpseWidth])
}

// shown is what a device that works has in its cache for a prompt.
func shown(m *Model, r Request) []int32 {
	tokens := slices.Clone(r.Prompt)
	if len(r.Pictures) == 0 {
		return tokens
	}
	at := 0
	for _, p := range r.Pictures {
		at += slices.Index(tokens[at:], fakeImage)
		for _, i := range p.Order {
			tokens[at] = glimpse(m.Vision, nil, 0)
			if i >= 0 {
				tokens[at] = glimpse(m.Vision, p.Tiles[i/4], int(i%4))
			}
			at++
		}
	}
	return tokens
}

// showing is a request whose prompt has pictures before, between and behind texts.
func showing(reply int, parts ...any) Request {
	r := plain(nil, reply)
	for _, part := range parts {
		switch part := part.(type) {
		case []int32:
			r.Prompt = append(r.Prompt, part...)
		case *picture.Prepared:
			r.Pictures = append(r.Pictures, part)
			r.Prompt = append(r.Prompt, slices.Repeat([]int32{fakeImage}, part.Tokens())...)
		}
	}
	return r
}

// textFrom is tokensFrom without image tokens.
func textFrom(seed, n int) []int32 {
	all := tokensFrom(seed, n)
	for i := range all {
		all[i] %= fakeImage
	}
	return all
}

// sees gives a model a vision part.
func (b *bench) sees(m *Model, v *Vision) *Model {
	m.Vision = v
	return m
}
