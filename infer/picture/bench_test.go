package picture

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The photo has 12 megapixels, as telephones take them: decoding, and preparing for
// LLaVA-NeXT (five tiles) and LLaVA (one).
func BenchmarkDecodePhoto(b *testing.B) {
	data := photo(b)
	for b.Loop() {
		_, err := Decode(data, DefaultLimits())
		require.NoError(b, err)
	}
}

func BenchmarkPreparePhoto(b *testing.B) {
	p, err := Decode(photo(b), DefaultLimits())
	require.NoError(b, err)
	for _, model := range []string{"llava_next", "llava"} {
		processor, err := OpenProcessor(folder(b, imageProcessorFile, `{`+sized+`}`), towerOf(model))
		require.NoError(b, err)
		b.Run("model="+model, func(b *testing.B) {
			for b.Loop() {
				_, err := processor.Prepare(p)
				require.NoError(b, err)
			}
		})
	}
}
