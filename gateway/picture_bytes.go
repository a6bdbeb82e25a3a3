package gateway

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Fetcher gets the bytes of a picture from an address, if it may.
type Fetcher interface {
	Fetch(ctx context.Context, url string) ([]byte, error)
}

// pictureBytes gives the file of a picture: what a data URI holds, or what lies at an
// address that may be fetched from.
func (g *Gateway) pictureBytes(ctx context.Context, url string) ([]byte, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	switch {
	case ok && strings.EqualFold(scheme, "data"):
		return readDataURI(rest, g.limits.PictureBytes)
	case g.pictures == nil:
		return nil, fault.New(fault.Invalid, "this server fetches no pictures: send it as a data URI, data:image/png;base64,…")
	}
	return g.pictures.Fetch(ctx, url)
}

// readDataURI reads what follows "data:" (RFC 2397): a type, which is not believed,
// and the bytes in base64.
func readDataURI(rest string, most int) ([]byte, error) {
	kind, data, ok := strings.Cut(rest, ",")
	switch {
	case !ok:
		return nil, fault.New(fault.Invalid, "the data URI has no comma, and so no data")
	case !strings.HasSuffix(strings.ToLower(kind), ";base64"):
		return nil, fault.New(fault.Invalid, "the data URI must be in base64: data:image/png;base64,…")
	}
	data = strings.TrimRight(data, "=")
	if bytes := base64.RawStdEncoding.DecodedLen(len(data)); bytes > most {
		return nil, fault.New(fault.Invalid, "the picture has some %d bytes, more than %d", bytes, most)
	}
	bytes, err := base64.RawStdEncoding.DecodeString(data)
	if err != nil {
		bytes, err = base64.RawURLEncoding.DecodeString(data) // the alphabet of addresses
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "what the data URI holds is no base64")
	}
	return bytes, nil
}
