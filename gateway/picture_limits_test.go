package gateway

import (
	"image/color"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachLimitOfAPicture(t *testing.T) {
	progressive, err := os.ReadFile("../infer/picture/testdata/decode/progressive.jpg")
	require.NoError(t, err)
	wide := dots(9, 3, color.White)
	for key, c := range map[string]struct {
		file    []byte
		limit   func(l *Limits) *int
		most    int // that refuses the picture
		message string
	}{
		"max-picture-bytes":  {wide, func(l *Limits) *int { return &l.PictureBytes }, len(wide) - 1, "bytes"},
		"max-picture-pixels": {wide, func(l *Limits) *int { return &l.PicturePixels }, 26, "9 × 3 pixels, more than 26"},
		"max-picture-side":   {wide, func(l *Limits) *int { return &l.PictureSide }, 8, "longer than 8 pixels"},
		"max-picture-ratio":  {wide, func(l *Limits) *int { return &l.PictureRatio }, 2, "more than 2 times as long"},
		"max-picture-scans":  {progressive, func(l *Limits) *int { return &l.PictureScans }, 9, "more than 9 scans"},
	} {
		for _, above := range []int{0, 1} {
			b := newBench(t, func(o *Options) { *c.limit(&o.Limits) = c.most + above })
			b.withEyes()
			r := b.send("POST", chatPath, show(imagePart(dataURI(c.file)), ""))
			if above == 1 {
				require.Equal(t, http.StatusOK, r.status, "%s: %s", key, r.body)
				continue
			}
			e := r.requireError(t, http.StatusBadRequest, "invalid", "messages[1].content[0].image_url.url")
			require.Contains(t, e.Message, c.message, key)
		}
		named := false
		limits := DefaultLimits()
		for _, s := range limits.Settings() {
			named = named || s.Key == key && s.Number == c.limit(&limits)
		}
		require.True(t, named, key)
	}
}
