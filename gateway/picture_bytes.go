package gateway

import (
	"context"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/gateway/fetch"
)

// Fetcher gets the bytes of a picture from an address, if it may.
type Fetcher interface {
	Fetch(ctx context.Context, url string) ([]byte, error)
}

// pictureBytes gives the file of a picture: what a data URI holds, or what lies at an
// address that may be fetched from.
func (g *Gateway) pictureBytes(ctx context.Context, url string) ([]byte, error) {
	scheme, _, ok := strings.Cut(url, ":")
	switch {
	case ok && strings.EqualFold(scheme, "data"):
		return fetch.Data(url, g.limits.PictureBytes)
	case g.pictures == nil:
		return nil, fault.New(fault.Invalid, "this server fetches no pictures: send it as a data URI, data:image/png;base64,…")
	}
	return g.pictures.Fetch(ctx, url)
}
