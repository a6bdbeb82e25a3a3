package picture

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResizingIsPillows(t *testing.T) {
	var cases []struct {
		Filter   int
		Width    int
		Height   int
		ToWidth  int `json:"to_width"`
		ToHeight int `json:"to_height"`
		SHA256   string
	}
	readJSON(t, "resize.json", &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d/%dx%d/%dx%d", c.Filter, c.Width, c.Height, c.ToWidth, c.ToHeight), func(t *testing.T) {
			f, known := filterOf(c.Filter)
			require.True(t, known)
			got := resize(pattern(c.Width, c.Height).pixels, c.Width, c.Height, c.ToWidth, c.ToHeight, f)
			sum := sha256.Sum256(got)
			require.Equal(t, c.SHA256, hex.EncodeToString(sum[:]))
		})
	}
}

func TestAWindowIsAPartOfTheWhole(t *testing.T) {
	p := pattern(90, 70)
	f, _ := filterOf(bicubic)
	whole := resize(p.pixels, 90, 70, 50, 110, f)
	w := window{left: 7, top: 31, width: 20, height: 40}
	part := resizeWindow(p.pixels, 90, 70, extent{height: 110, width: 50}, w, f)
	for y := range w.height {
		require.Equal(t, whole[3*((w.top+y)*50+w.left):][:3*w.width], part[3*y*w.width:][:3*w.width])
	}
}
