package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestDataURIs(t *testing.T) {
	g := newBench(t, func(o *Options) { o.Limits.PictureBytes = 6 }).gateway
	for uri, want := range map[string]string{
		"data:image/png;base64,aGk=":                "hi",
		"data:image/png;base64,aGk":                 "hi",
		"DATA:;BASE64,aGk=":                         "hi",
		"data:image/png;name=a.png;base64,aGkhaGkh": "hi!hi!",
		"data:;base64,-_8=":                         "\xfb\xff",
		"data:;base64,+/8=":                         "\xfb\xff",
		"data:;base64,":                             "",
		"data:;base64,aG\nk=":                       "hi",
	} {
		got, err := g.pictureBytes(t.Context(), uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, string(got), uri)
	}
	for uri, message := range map[string]string{
		"data:image/png;base64":            "no comma",
		"data:image/png,hi":                "must be in base64",
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
