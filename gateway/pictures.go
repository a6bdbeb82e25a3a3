package gateway

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// eyes are what the gateway needs of a model that sees: of its [infer.Vision], or
// of what its folder says where no weights are loaded.
type eyes interface {
	Config() checkpoint.VisionConfig
	Prepare(p *picture.Picture) (*picture.Prepared, error)
}

// eyesOf gives a model's; nil if it sees nothing.
func eyesOf(m *infer.Model) eyes {
	if m.Vision == nil {
		return nil
	}
	return m.Vision
}

// album is what a request shows. It lives as long as the request.
type album struct {
	memory *pictureMemory
	slots  chan struct{} // as many as pictures may be decoded at once
	taken  int           // of memory
	ready  map[albumKey]*picture.Prepared
}

// albumKey is a picture in the same words: a conversation that is shortened is
// encoded several times, and may show one picture more than once.
type albumKey struct {
	url [sha256.Size]byte
	low bool
}

type albumContext struct{}

// withAlbum lets a request show pictures, and lets go of them when it ends.
func (g *Gateway) withAlbum(c *gin.Context) {
	a := g.newAlbum()
	defer a.close()
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), albumContext{}, a))
	c.Next()
}

func (g *Gateway) newAlbum() *album {
	return &album{memory: g.pictureMemory, slots: g.decoding, ready: map[albumKey]*picture.Prepared{}}
}

// albumOf gives a request's album; nil where there can be no pictures.
func albumOf(ctx context.Context) *album {
	a, _ := ctx.Value(albumContext{}).(*album)
	return a
}

func (a *album) take(bytes int) error {
	if a.taken+bytes > a.memory.whole {
		return fault.New(fault.TooLarge, "the pictures of the request take more than the %d bytes of memory that there are for those of all", a.memory.whole)
	}
	if err := a.memory.take(bytes); err != nil {
		return err
	}
	a.taken += bytes
	return nil
}

func (a *album) close() { a.memory.give(a.taken) }

// eyesOfWords gives those of a model of which no weights are loaded.
func eyesOfWords(w catalog.Words) eyes {
	if w.Eyes == nil {
		return nil
	}
	return w.Eyes
}

// prompts are what a model reads, in its tokens.
type prompts struct {
	ids      [][]int32
	pictures []*picture.Prepared // of a chat, which is one prompt
	image    int32               // the token that pictures stand as
}

// show puts the pictures of a conversation into its prompt.
func (g *Gateway) show(ctx context.Context, e eyes, ids []int32, shown []shownPicture) (prompts, error) {
	if len(shown) == 0 {
		return prompts{ids: [][]int32{ids}}, nil
	}
	a := albumOf(ctx)
	if a == nil {
		return prompts{}, fault.New(fault.Internal, "a request without an album shows pictures")
	}
	all := make([]*picture.Prepared, len(shown))
	for i, p := range shown {
		var err error
		if all[i], err = g.prepare(ctx, a, e, p); err != nil {
			return prompts{}, err
		}
	}
	placed, err := infer.PlacePictures(ids, e.Config(), all)
	return prompts{ids: [][]int32{placed}, pictures: all, image: e.Config().ImageTokenID}, err
}

// prepare gets a picture and makes it what the model sees.
func (g *Gateway) prepare(ctx context.Context, a *album, e eyes, p shownPicture) (*picture.Prepared, error) {
	key := albumKey{sha256.Sum256([]byte(p.url)), p.low}
	if ready, known := a.ready[key]; known {
		return ready, nil
	}
	data, err := g.pictureBytes(ctx, p.url)
	if err != nil {
		return nil, inPicture(err, p.param)
	}
	if err := a.take(len(data)); err != nil {
		return nil, inPicture(err, p.param)
	}
	ready, err := a.decode(ctx, e, data, g.pictureLimits())
	if err != nil {
		return nil, inPicture(err, p.param)
	}
	if p.low {
		ready = picture.Whole(ready, e.Config())
	}
	if err := a.take(ready.TileBytes()); err != nil {
		return nil, inPicture(err, p.param)
	}
	a.ready[key] = ready
	return ready, nil
}

// decode makes of a file what the model sees. A decoded picture takes many times
// the memory of either, so only a few are decoded at a time.
func (a *album) decode(ctx context.Context, e eyes, data []byte, limits picture.Limits) (*picture.Prepared, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	decoded, err := picture.Decode(data, limits)
	if err != nil {
		return nil, err
	}
	return e.Prepare(decoded)
}

// pictureLimits bound what is decoded.
func (g *Gateway) pictureLimits() picture.Limits {
	return picture.Limits{
		Bytes: g.limits.PictureBytes, Pixels: g.limits.PicturePixels,
		Side: g.limits.PictureSide, Ratio: g.limits.PictureRatio, Scans: g.limits.PictureScans,
	}
}

// blind refuses the first of the pictures that a model is shown which sees nothing.
func blind(e eyes, shown []shownPicture) error {
	if e != nil || len(shown) == 0 {
		return nil
	}
	return fault.Bad(shown[0].part, "%s is a picture, and this model reads text only", shown[0].part)
}

// inPicture names the field of a picture in an error about it.
func inPicture(err error, param string) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	named := *f
	named.Param, named.Message = param, param+": "+f.Message
	return &named
}
