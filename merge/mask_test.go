package merge

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// drawOnDevice gives the mask of n entries as the graph makes it.
func drawOnDevice(t *testing.T, n int, key [2]uint32, limit uint32) []bool {
	out, err := graph.CallOnce(devicetest.Open(t).Backend(), func(x, numbers *graph.Node) *graph.Node {
		return drawn(x, pick(numbers, 0), pick(numbers, 1), pick(numbers, 2))
	}, make([]float32, n), []uint32{key[0], key[1], limit})
	require.NoError(t, err)
	return out.Value().([]bool)
}

func TestMaskBitsOfTheDeviceAreThoseOfTheFormula(t *testing.T) {
	const n = 1 << 17
	for _, density := range []float64{1e-4, 0.25, 0.5, 0.9, 1} {
		key := maskKey(42, "math", "model.layers.0.mlp.up_proj.weight")
		got := drawOnDevice(t, n, key, maskLimit(density))
		kept := 0
		for e, keep := range got {
			if keep != (drawByHand(key, uint32(e)) <= maskLimit(density)) {
				require.Failf(t, "bits differ", "density %v, entry %d", density, e)
			}
			if keep {
				kept++
			}
		}
		deviation := math.Sqrt(n * density * (1 - density))
		assert.InDelta(t, n*density, kept, 4*deviation+1e-9, "density %v", density)
	}
}

// A stored recipe must merge to the same weights forever: these numbers change
// only with digestVersion.
func TestMaskBitsNeverChange(t *testing.T) {
	key := maskKey(7, "ja", "lm_head.weight")
	assert.Equal(t, [2]uint32{0xb4ae59c9, 0x2357250b}, key)
	var bits uint32
	for e := range uint32(32) {
		bits = bits<<1 | drawByHand(key, e)>>31
	}
	assert.Equal(t, uint32(0xe9db93e7), bits)
}

func TestMaskLimitIsExactAtTheEnds(t *testing.T) {
	assert.Equal(t, uint32(math.MaxUint32), maskLimit(1), "1 keeps every draw")
	assert.Equal(t, uint32(1<<31-1), maskLimit(0.5))
	assert.Equal(t, uint32(0), maskLimit(math.SmallestNonzeroFloat64), "nothing is below one draw in 2³²")
}

// Masks that should have nothing to do with one another agree half of the time.
func TestMasksAreIndependent(t *testing.T) {
	const n = 1 << 18
	bit := func(key [2]uint32, e uint32) uint32 { return drawByHand(key, e) >> 31 }
	base := maskKey(1, "ja", "a")
	for name, other := range map[string]func(e uint32) uint32{
		"another seed":      func(e uint32) uint32 { return bit(maskKey(2, "ja", "a"), e) },
		"another source":    func(e uint32) uint32 { return bit(maskKey(1, "jb", "a"), e) },
		"another tensor":    func(e uint32) uint32 { return bit(maskKey(1, "ja", "b"), e) },
		"the next entry":    func(e uint32) uint32 { return bit(base, e+1) },
		"the next row":      func(e uint32) uint32 { return bit(base, e+128) },
		"the next key₀":     func(e uint32) uint32 { return bit([2]uint32{base[0] + 1, base[1]}, e) },
		"the next key₁":     func(e uint32) uint32 { return bit([2]uint32{base[0], base[1] + 1}, e) },
		"the bit below it":  func(e uint32) uint32 { return drawByHand(base, e) >> 30 & 1 },
		"the lowest bit":    func(e uint32) uint32 { return drawByHand(base, e) & 1 },
		"the entry's place": func(e uint32) uint32 { return e & 1 },
	} {
		agree := 0
		for e := range uint32(n) {
			if bit(base, e) == other(e) {
				agree++
			}
		}
		assert.InDelta(t, n/2, agree, 4*math.Sqrt(n)/2, name)
	}
	var counts [256]float64
	for e := range uint32(n) {
		counts[drawByHand(base, e)>>24]++
	}
	chi := 0.0
	for _, c := range counts {
		chi += (c - n/256) * (c - n/256) / (n / 256)
	}
	assert.InDelta(t, 255, chi, 5*math.Sqrt(2*255), "the highest byte is uniform")
}

func TestMasksAreNested(t *testing.T) {
	key := maskKey(3, "a", "b")
	for e := range uint32(1 << 12) {
		for _, pair := range [][2]float64{{0.1, 0.2}, {0.5, 0.50001}, {0.99, 1}} {
			if drawByHand(key, e) <= maskLimit(pair[0]) {
				require.LessOrEqual(t, drawByHand(key, e), maskLimit(pair[1]))
			}
		}
	}
}
