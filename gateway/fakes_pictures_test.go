package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// idImage is the token that pictures stand as in the prompts of the fake template.
const idImage = 1_000_001

// idMark is a token of the miniature tokenizer that stands for pictures where that is
// asked.
const idMark = 0

// What the fake web has.
const (
	redURL  = "https://pictures.example/red.png"
	blueURL = "https://pictures.example/blue.png"
)

// fakeEyes see a picture as three tiles of four features, and 20 tokens.
type fakeEyes struct{ token int32 }

func (e fakeEyes) Config() checkpoint.VisionConfig {
	return checkpoint.VisionConfig{ModelType: "llava_next", ImageSize: 4, PatchSize: 2, ImageTokenID: e.token}
}

func (fakeEyes) Prepare(p *picture.Picture) (*picture.Prepared, error) {
	if p.Width == 1 {
		return nil, fault.New(fault.Invalid, "the picture is too narrow for these eyes")
	}
	return &picture.Prepared{Hash: p.Hash, Tiles: make([][]float32, 3), Order: make([]int32, 20)}, nil
}

// fakeWeb has pictures at addresses.
type fakeWeb struct {
	pages map[string][]byte
	asked []string
}

func (w *fakeWeb) Fetch(_ context.Context, url string) ([]byte, error) {
	w.asked = append(w.asked, url)
	if page, ok := w.pages[url]; ok {
		return page, nil
	}
	return nil, fault.New(fault.Invalid, "this server fetches nothing from there")
}

// withEyes lets all of a bench's models see.
func (b *bench) withEyes() *fakeWeb {
	web := &fakeWeb{pages: map[string][]byte{redURL: dots(5, 3, color.RGBA{255, 0, 0, 255}), blueURL: dots(5, 3, color.RGBA{0, 0, 255, 255})}}
	b.gateway.pictures = web
	b.gateway.eyes = func(*infer.Model) eyes { return fakeEyes{idImage} }
	b.gateway.eyesOfWords = func(catalog.Words) eyes { return fakeEyes{idImage} }
	return web
}

// fakeParts is what the fake template makes of a turn with pictures.
func fakeParts(parts []chat.Part) []int32 {
	var ids []int32
	for _, p := range parts {
		if p.Picture {
			ids = append(ids, idImage)
		}
		for _, r := range p.Text {
			ids = append(ids, r)
		}
	}
	return ids
}

// dots is a PNG of one colour.
func dots(width, height int, c color.Color) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		m.Set(i%width, i/width, c)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		panic(err) // it is written to memory
	}
	return out.Bytes()
}

// dataURI is a picture as people send it.
func dataURI(data []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
}
