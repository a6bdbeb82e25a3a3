package fetch

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestDataURIs(t *testing.T) {
	for uri, want := range map[string]string{
		"data:image/png;base64,aGk=":                    "hi",
		"data:image/png;base64,aGk":                     "hi",
		"DATA:;BASE64,aGk=":                             "hi",
		"data:text/html;name=\"a.png\";base64,aGkhaGkh": "hi!hi!",
		"data:;base64,-_8=":                             "\xfb\xff",
		"data:;base64,%2B/8%3D":                         "\xfb\xff",
		"data:;base64, aG\r\n k=\n":                     "hi",
		"data:;base64,":                                 "",
		"data:,hi%20%ff":                                "hi \xff",
		"data:image/png,%68i":                           "hi",
		"data:image/png;base64a,hi":                     "hi",
	} {
		got, err := Data(uri, 6)
		require.NoError(t, err, uri)
		require.Equal(t, want, string(got), uri)
	}
	for uri, message := range map[string]string{
		"":                              "no data URI",
		"dat":                           "no data URI",
		"https://a.example/":            "no data URI",
		"data:image/png;base64":         "no comma",
		"data:;base64,!":                "no base64",
		"data:;base64,a":                "no base64",
		"data:;base64,aG=k":             "no base64",
		"data:;base64,aGk%3":            "in the middle",
		"data:,%zz":                     `"%zz", which stands for no byte`,
		"data:;base64,aGkhaGkhaA":       "more than 6 bytes",
		"data:,1234567":                 "more than 6 bytes",
		"data:,1%32%33%34%35%36%37":     "more than 6 bytes",
		"data:;base64,aGkhaGkhaGkhaGkh": "more than 6 bytes",
	} {
		_, err := Data(uri, 6)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), uri)
		require.ErrorContains(t, err, message, uri)
	}
}

func FuzzData(f *testing.F) {
	f.Add("data:image/png;base64,aGk=", 10)
	f.Add("data:,%41", 1)
	f.Fuzz(func(t *testing.T, uri string, most int) {
		most = min(max(most, 0), 1<<20)
		got, err := Data(uri, most)
		if err == nil {
			require.LessOrEqual(t, len(got), most)
		}
		plain := []byte(uri)
		got, err = Data("data:;base64,"+base64.StdEncoding.EncodeToString(plain), len(plain))
		require.NoError(t, err)
		require.Equal(t, plain, append([]byte{}, got...))
	})
}
