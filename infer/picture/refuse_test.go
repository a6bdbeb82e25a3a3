package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/decode/" + name)
	require.NoError(t, err)
	return data
}

// hugePNG says that it is wide × high, and holds nothing.
func hugePNG(width, height uint32) []byte {
	header := []byte("IHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00")
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	return binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(header))
}

// hugeJPEG says that it is wide × high, and holds nothing.
func hugeJPEG(width, height uint16) []byte {
	data := []byte("\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00\xff\xda\x00\x0c")
	binary.BigEndian.PutUint16(data[7:], height)
	binary.BigEndian.PutUint16(data[9:], width)
	return append(data, make([]byte, 64)...)
}

// changed is a file with some of its bytes replaced.
func changed(data []byte, at int, with string) []byte {
	data = bytes.Clone(data)
	copy(data[at:], with)
	return data
}

func TestPicturesThatAreRefused(t *testing.T) {
	gif, animation, lossy := readFile(t, "plain.gif"), readFile(t, "animated.webp"), readFile(t, "lossy.webp")
	extended := readFile(t, "lossy-alpha.webp")
	frame := bytes.Index(animation, []byte("ANMF")) + 8
	for name, c := range map[string]struct {
		data  []byte
		about string
	}{
		"nothing":                  {nil, "no bytes"},
		"text":                     {[]byte("hello"), "no picture that is known; PNG, JPEG, WebP and GIF"},
		"BMP":                      {[]byte("BM00000000000000"), "is BMP"},
		"SVG":                      {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "is SVG"},
		"HEIC":                     {[]byte("\x00\x00\x00\x18ftypheic0000"), "is HEIC"},
		"AVIF":                     {[]byte("\x00\x00\x00\x18ftypavif0000"), "is AVIF"},
		"a video":                  {[]byte("\x00\x00\x00\x18ftypisom0000"), "is a video"},
		"a wide bomb":              {hugePNG(1<<30, 1), "no side may be longer than 16384"},
		"a PNG bomb":               {hugePNG(16000, 16000), "16000 × 16000 pixels, more than 33554432"},
		"a JPEG bomb":              {hugeJPEG(16000, 16000), "16000 × 16000 pixels, more than 33554432"},
		"a GIF bomb":               {changed(gif, 6, "\x00\x3f\x00\x3f"), "16128 × 16128 pixels, more than 33554432"},
		"a WebP bomb":              {changed(extended, 24, "\xff\x3f\x00\xff\x3f\x00"), "16384 × 16384 pixels, more than 33554432"},
		"a bomb that moves":        {changed(animation, 24, "\xff\x3f\x00\xff\x3f\x00"), "16384 × 16384 pixels, more than 33554432"},
		"a small WebP with a bomb": {changed(extended, 24, "\x03\x00\x00\x03\x00\x00"), "can't be read as WebP"},
		"a frame beside the rest":  {changed(animation, frame, "\xff\x00\x00"), "can't be read as WebP"},
		"a frame of another size":  {changed(animation, frame+6, "\x01\x00\x00"), "can't be read as WebP"},
		"a line":                   {hugePNG(201, 1), "201 × 1: one side is more than 200 times"},
		"without height":           {hugeJPEG(100, 0), "no pixels"},
		"half a PNG":               {readFile(t, "rgb.png")[:100], "can't be read as PNG"},
		"half a JPEG":              {readFile(t, "420.jpg")[:700], "can't be read as JPEG"},
		"half a GIF":               {gif[:500], "can't be read as GIF"},
		"half a WebP":              {lossy[:100], "can't be read as WebP"},
		"half an animation":        {animation[:frame+10], "can't be read as WebP"},
		"a signature":              {[]byte("RIFF0000WEBP"), "can't be read as WebP"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.data, DefaultLimits())
			require.Error(t, err)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			require.ErrorContains(t, err, c.about)
		})
	}
}

func TestEachLimitOfAPicture(t *testing.T) {
	rgb := readFile(t, "rgb.png") // 61 × 47
	for about, limit := range map[string]func(*Limits){
		"bytes, more than":              func(l *Limits) { l.Bytes = len(rgb) - 1 },
		"pixels, more than 2866":        func(l *Limits) { l.Pixels = 61*47 - 1 },
		"no side may be longer than 60": func(l *Limits) { l.Side = 60 },
		"more than 1 times as long":     func(l *Limits) { l.Ratio = 1 },
	} {
		exact := Limits{Bytes: len(rgb), Pixels: 61 * 47, Side: 61, Ratio: 2}
		_, err := Decode(rgb, exact)
		require.NoError(t, err)
		limit(&exact)
		_, err = Decode(rgb, exact)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		require.ErrorContains(t, err, about)
	}
}

func TestAJPEGOfManyScansIsRefused(t *testing.T) {
	data := readFile(t, "progressive.jpg")
	scans := bytes.Count(data, []byte{0xff, markerSOS})
	require.Greater(t, scans, 5)
	limit := DefaultLimits()
	limit.Scans = scans
	_, err := Decode(data, limit)
	require.NoError(t, err)
	limit.Scans--
	_, err = Decode(data, limit)
	require.ErrorContains(t, err, "scans")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))

	// What looks like a scan within a comment is none.
	comment := append([]byte("\xff\xd8\xff\xfe\x00\x12"), bytes.Repeat([]byte{0xff, markerSOS}, 8)...)
	limit.Scans++
	_, err = Decode(append(comment, data[2:]...), limit)
	require.NoError(t, err)
}

func TestSixteenBitsInColour(t *testing.T) {
	deep := image.NewNRGBA64(image.Rect(0, 0, 2, 1))
	deep.SetNRGBA64(0, 0, color.NRGBA64{R: 0x12ff, G: 0x3400, B: 0xff80, A: 0xffff})
	deep.SetNRGBA64(1, 0, color.NRGBA64{R: 0x1200, G: 0x3400, B: 0x5600, A: 0})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, deep))
	p, err := Decode(b.Bytes(), DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, []byte{0x12, 0x34, 0xff, 255, 255, 255}, p.Pixels())
}

func TestALabelIsNotBelieved(t *testing.T) {
	p, err := Decode(readFile(t, "lossless.webp"), DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "webp", p.Format)
}

func TestOddOrientationsAreUpright(t *testing.T) {
	for _, exif := range []string{"", "II", "II*\x00\xff\xff\xff\xff", "II*\x00\x08\x00\x00\x00", "II*\x00\x08\x00\x00\x00\xff\xff",
		"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00",
		"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x04\x00\x01\x00\x00\x00\x06\x00\x00\x00",
		"XX*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"} {
		require.Equal(t, upright, orientation([]byte(exif)), "%q", exif)
	}
	require.Equal(t, 6, orientation([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00")))
}

// FuzzDecode holds whatever comes to small limits: it is read or refused, soon, and a
// picture that is read is whole.
func FuzzDecode(f *testing.F) {
	files, err := os.ReadDir("testdata/decode")
	require.NoError(f, err)
	for _, file := range files {
		f.Add(readFile(f, file.Name()))
	}
	f.Add(hugePNG(5, 5))
	f.Add(hugeJPEG(20, 20))
	limit := Limits{Bytes: 1 << 16, Pixels: 1 << 14, Side: 1 << 10, Ratio: 100, Scans: 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, limit)
		if err != nil {
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			return
		}
		require.LessOrEqual(t, p.Width*p.Height, limit.Pixels)
		require.Len(t, p.Pixels(), 3*p.Width*p.Height)
		again, err := Decode(data, limit)
		require.NoError(t, err)
		require.Equal(t, p.Hash, again.Hash)
	})
}

func TestEveryCutOfAFileIsReadOrRefused(t *testing.T) {
	files, err := os.ReadDir("testdata/decode")
	require.NoError(t, err)
	for _, file := range files {
		data := readFile(t, file.Name())
		for n := 0; n < len(data); n += 1 + n/40 {
			if _, err := Decode(data[:n], DefaultLimits()); err != nil {
				require.Equal(t, fault.Invalid, fault.CodeOf(err), "%s, %d bytes", file.Name(), n)
			}
		}
	}
}

// photo is a JPEG of 12 megapixels.
func photo(t testing.TB) []byte {
	p := pattern(1000, 750)
	m := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	for y := range 3000 {
		for x := range 4000 {
			at := 3 * (y/4*1000 + x/4)
			m.SetRGBA(x, y, color.RGBA{p.pixels[at], p.pixels[at+1], p.pixels[at+2], 255})
		}
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}
