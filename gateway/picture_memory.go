package gateway

import (
	"bytes"
	"io"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// pictureMemory bounds what the pictures of all requests take together: the
// bodies that they come in, as far as those are longer than others may be, their
// bytes, and what they are prepared as. Text never waits for it.
type pictureMemory struct {
	mu    sync.Mutex
	left  int
	whole int
}

func newPictureMemory(bytes int) *pictureMemory { return &pictureMemory{left: bytes, whole: bytes} }

// take gets memory, or says that there is none.
func (m *pictureMemory) take(bytes int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes > m.left {
		return fault.New(fault.Busy, "the pictures of other requests are being worked on, and there is no memory for more")
	}
	m.left -= bytes
	return nil
}

func (m *pictureMemory) give(bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += bytes
}

// readPictures reads a body that may have pictures in it, and be longer for it.
func (g *Gateway) readPictures(c *gin.Context, a *album) ([]byte, error) {
	c.Request.Body = &pictureBody{c.Request.Body, a, g.limits.BodyBytes}
	data, err := g.readAtMost(c, max(g.limits.BodyBytes, g.limits.PictureBodies))
	if err == nil && len(data) > g.limits.BodyBytes && !bytes.Contains(data, []byte("image")) {
		return nil, bodyTooLarge(g.limits.BodyBytes) // what it says is bounded where it is read
	}
	return data, err
}

// bodyStep is how much memory a body takes at a time.
const bodyStep = 1 << 20

// pictureBody is the body of a request that may have pictures in it: what is
// longer than other bodies may be takes memory while it is read.
type pictureBody struct {
	io.ReadCloser
	album *album
	free  int // bytes that can still be read before more is taken
}

// Read implements io.Reader.
func (b *pictureBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for b.free -= n; b.free < 0; b.free += bodyStep {
		if err := b.album.take(bodyStep); err != nil {
			return 0, err
		}
	}
	return n, err
}
