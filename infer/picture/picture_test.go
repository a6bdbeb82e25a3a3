package picture

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// pattern is a picture of the formula that scripts/fixtures/pictures.py has.
func pattern(width, height int) *Picture {
	pixels := make([]byte, 0, 3*width*height)
	for y := range height {
		for x := range width {
			for c := range 3 {
				v := (x*x*3+y*y*5+x*y*(c+1))/16 + 37*c
				if (x/5+y/7)%3 == 0 {
					v = 255 * ((x + y + c) % 2)
				}
				pixels = append(pixels, byte(v))
			}
		}
	}
	p, err := New(width, height, pixels)
	if err != nil {
		panic(err)
	}
	return p
}

func readJSON(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, to))
}

func TestWhatIsSeenIsWhatPillowSees(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*")
	require.NoError(t, err)
	compared := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".want") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			got, err := Decode(data, DefaultLimits())
			require.NoError(t, err)
			encoded, err := os.ReadFile(file + ".want")
			require.NoError(t, err)
			want, err := png.Decode(bytes.NewReader(encoded))
			require.NoError(t, err)
			require.Equal(t, want.Bounds().Size(), image.Pt(got.Width, got.Height))
			worst, differ := apart(got.Pixels(), flatten(want, image.Config{Width: got.Width, Height: got.Height}))
			switch filepath.Ext(file) {
			case ".jpg": // a decoder may round as it likes
				require.LessOrEqual(t, worst, 2)
				require.LessOrEqual(t, differ, len(got.Pixels())*4/100)
			default:
				require.Zero(t, worst)
			}
			t.Logf("%d of %d values differ, by up to %d", differ, len(got.Pixels()), worst)
		})
		compared++
	}
	require.Greater(t, compared, 40)
}

func apart(a, b []byte) (worst, differ int) {
	for i, v := range a {
		d := max(int(v)-int(b[i]), int(b[i])-int(v))
		worst = max(worst, d)
		if d > 0 {
			differ++
		}
	}
	return worst, differ
}

func TestAPictureHasTheHashOfWhatItShows(t *testing.T) {
	decode := func(name string) *Picture {
		data, err := os.ReadFile("testdata/decode/" + name)
		require.NoError(t, err)
		p, err := Decode(data, DefaultLimits())
		require.NoError(t, err)
		return p
	}
	a, b, c := decode("rgb.png"), decode("lossless.webp"), decode("rgba.png")
	require.Equal(t, "png", a.Format)
	require.Equal(t, "webp", b.Format)
	require.Equal(t, a.Hash, b.Hash)
	require.NotEqual(t, a.Hash, c.Hash)

	wide, err := New(4, 1, make([]byte, 12))
	require.NoError(t, err)
	square, err := New(2, 2, make([]byte, 12))
	require.NoError(t, err)
	require.NotEqual(t, wide.Hash, square.Hash)
	for _, wrong := range [][3]int{{0, 0, 0}, {2, 2, 11}, {-2, -2, 12}, {4, 0, 0}} {
		_, err := New(wrong[0], wrong[1], make([]byte, wrong[2]))
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
}
