package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestPicturesComeInDataURIs(t *testing.T) {
	g := newBench(t, func(o *Options) { o.Limits.PictureBytes = 6 }).gateway
	for _, uri := range []string{"data:image/png;base64,aGkh", "DATA:;BASE64,aGkh"} {
		got, err := g.pictureBytes(t.Context(), uri)
		require.NoError(t, err, uri)
		require.Equal(t, "hi!", string(got), uri)
	}
	for uri, message := range map[string]string{
		"data:image/png;base64":            "no comma",
		"data:image/png;base64,!":          "no base64",
		"data:image/png;base64,aGkhaGkhaA": "more than 6",
		"https://pictures.example/a.png":   "fetches no pictures",
		"file:///etc/passwd":               "fetches no pictures",
		"":                                 "fetches no pictures",
	} {
		_, err := g.pictureBytes(t.Context(), uri)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), uri)
		require.ErrorContains(t, err, message, uri)
	}
}
