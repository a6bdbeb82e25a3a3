package infer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/picture"
)

// view is a picture where it stands in a prompt.
type view struct {
	key     pictureKey
	picture *picture.Prepared
	at      int // place of its first token
}

// end is the place after its last token.
func (v view) end() int { return v.at + v.picture.Tokens() }

// pictureKey says what a picture's features depend on: two that have it in common
// have the same features, whatever model asks for them.
type pictureKey struct {
	vision  string
	picture [32]byte
}

// views finds the pictures of a request in its prompt: each is a run of image tokens,
// one for each of its places.
func (e *Engine) views(m *Model, r Request) ([]view, error) {
	if len(r.Pictures) == 0 {
		return nil, nil
	}
	if m.Vision == nil {
		return nil, fault.Bad("messages", "model %q reads text alone: it can't be shown a picture", m.Name)
	}
	if width := m.Weights.Config().HiddenSize; m.Vision.Width() != width {
		return nil, fault.New(fault.Unfit, "the vision part of model %q sees for decoders of width %d, and this one's is %d", m.Name, m.Vision.Width(), width)
	}
	tiles := 0
	for i, p := range r.Pictures {
		if wrong := unfit(p, m.Vision); wrong != "" {
			return nil, fault.Bad("messages", "picture %d %s", i, wrong)
		}
		tiles += len(p.Tiles)
	}
	if tiles > e.options.RequestTiles {
		return nil, fault.Bad("messages", "the pictures are cut into %d tiles: those of one request may have %d", tiles, e.options.RequestTiles)
	}
	image := m.Vision.Config().ImageTokenID
	var all []view
	for at := 0; at < len(r.Prompt); {
		if r.Prompt[at] != image {
			at++
			continue
		}
		if len(all) == len(r.Pictures) {
			return nil, fault.Bad("messages", "the prompt has places for more than the %d pictures that came with it", len(r.Pictures))
		}
		p := r.Pictures[len(all)]
		for i := range p.Tokens() {
			if at+i == len(r.Prompt) || r.Prompt[at+i] != image {
				return nil, fault.Bad("messages", "picture %d takes %d places of the prompt, and it has %d", len(all), p.Tokens(), i)
			}
		}
		all = append(all, view{pictureKey{m.Vision.ID(), p.Hash}, p, at})
		at += p.Tokens()
	}
	if len(all) < len(r.Pictures) {
		return nil, fault.Bad("messages", "the prompt has places for %d of the %d pictures that came with it", len(all), len(r.Pictures))
	}
	return all, nil
}

// unfit tells in what a picture has not been prepared for a vision part; "" if it has.
func unfit(p *picture.Prepared, v *Vision) string {
	if p == nil || len(p.Tiles) == 0 || p.Tokens() == 0 {
		return "has nothing to be seen"
	}
	size, states := v.Config().ImageSize, v.Config().Features()
	for _, tile := range p.Tiles {
		if len(tile) != 3*size*size {
			return fmt.Sprintf("was not prepared for this model, whose tiles are %d by %d", size, size)
		}
	}
	for _, i := range p.Order {
		if i < -1 || i == -1 && !v.Config().Newline() || int(i) >= len(p.Tiles)*states {
			return fmt.Sprintf("was not prepared for this model: place %d is in none of its tiles", i)
		}
	}
	return ""
}

// stand puts numbers below zero, which no token has, in the places of pictures: what
// begins alike is found by comparing tokens, and it begins alike as far as it is text
// or the same picture.
func stand(tokens []int32, views []view) {
	for _, v := range views {
		digest := sha256.Sum256(append([]byte(v.key.vision), v.key.picture[:]...))
		state := binary.LittleEndian.Uint64(digest[:])
		for i := v.at; i < v.end(); i++ {
			state += 0x9e3779b97f4a7c15 // SplitMix64
			x := state
			x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
			x = (x ^ x>>27) * 0x94d049bb133111eb
			tokens[i] = ^int32((x ^ x>>31) >> 33)
		}
	}
}

// viewBytes is what the features of pictures take beside those that are held, each
// counted once.
func viewBytes(m *Model, views []view, held map[pictureKey]bool) (bytes int64) {
	for i, v := range views {
		if !held[v.key] && !slices.ContainsFunc(views[:i], func(other view) bool { return other.key == v.key }) {
			bytes += featureBytes(m.Weights, v, m.Vision)
		}
	}
	return bytes
}
