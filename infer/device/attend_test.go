package device_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device"
)

// attention is one case of what Attend is asked for.
type attention struct {
	tokens, heads, groups, columns, width int
	start                                 []int32 // of each row
	column, window                        int
	scale, cap                            float64
	q, keys, values                       []bfloat16.BFloat16
}

// filled gives the case arbitrary operands.
func (a attention) filled(seed uint64) attention {
	rows := len(a.start)
	a.q = arbitrary(seed, rows*a.tokens*a.heads*a.width)
	a.keys = arbitrary(seed+1, rows*a.groups*a.columns*a.width)
	a.values = arbitrary(seed+2, rows*a.groups*a.columns*a.width)
	return a
}

// attended is the case's result [B, T, H, E] by our own kernel.
func (a attention) attended(t *testing.T, dev *device.Device) []bfloat16.BFloat16 {
	t.Helper()
	rows := len(a.start)
	y, err := graph.CallOnce(dev.Backend(), func(in []*graph.Node) *graph.Node {
		y, ok := dev.Attend(in[0], in[1], in[2], in[3], in[4], a.scale, a.cap, a.window)
		require.True(t, ok, "has a library moved its private fields?")
		return y
	},
		tensors.FromFlatDataAndDimensions(a.q, rows, a.tokens, a.heads, a.width),
		tensors.FromFlatDataAndDimensions(a.keys, rows, a.groups, a.columns, a.width),
		tensors.FromFlatDataAndDimensions(a.values, rows, a.groups, a.columns, a.width),
		a.start, int32(a.column))
	require.NoError(t, err)
	return tensors.MustCopyFlatData[bfloat16.BFloat16](y)
}

// sees tells whether a token of a row sees a column.
func (a attention) sees(row, token, column int) bool {
	own := a.column + token
	return column >= int(a.start[row]) && column <= own && (a.window == 0 || own-column < a.window)
}

// plain is the result for one head of a token by the textbook, and how large its
// terms are.
func (a attention) plain(row, token, head int) (want, size []float64) {
	group := head / (a.heads / a.groups)
	vector := func(all []bfloat16.BFloat16, at int) []bfloat16.BFloat16 { return all[at*a.width:][:a.width] }
	q := vector(a.q, (row*a.tokens+token)*a.heads+head)
	shares, total, most := map[int]float64{}, 0.0, math.Inf(-1)
	for c := range a.columns {
		if !a.sees(row, token, c) {
			continue
		}
		for e, k := range vector(a.keys, (row*a.groups+group)*a.columns+c) {
			shares[c] += float64(q[e].Float32()) * float64(k.Float32()) * a.scale
		}
		if a.cap != 0 {
			shares[c] = a.cap * math.Tanh(shares[c]/a.cap)
		}
		most = max(most, shares[c])
	}
	for c, score := range shares {
		shares[c] = math.Exp(score - most)
		total += shares[c]
	}
	want, size = make([]float64, a.width), make([]float64, a.width)
	for c, share := range shares {
		for e, v := range vector(a.values, (row*a.groups+group)*a.columns+c) {
			want[e] += share / total * float64(v.Float32())
			size[e] += share / total * math.Abs(float64(v.Float32()))
		}
	}
	return want, size
}

func TestAttendIsAttention(t *testing.T) {
	dev := own(t)
	for _, a := range []attention{
		{tokens: 1, heads: 1, groups: 1, columns: 1, width: 1, start: []int32{0}},
		{tokens: 1, heads: 8, groups: 2, columns: 32, width: 64, start: []int32{0, 31, 7}, column: 31},
		{tokens: 1, heads: 32, groups: 4, columns: 256, width: 64, start: []int32{0, 100, 199, 200, 1}, column: 199},
		{tokens: 7, heads: 6, groups: 2, columns: 100, width: 24, start: []int32{0, 80, 95}, column: 90},
		{tokens: 130, heads: 4, groups: 4, columns: 130, width: 80, start: []int32{0, 65}},
		{tokens: 97, heads: 3, groups: 1, columns: 192, width: 128, start: []int32{3, 64}, column: 64},
		{tokens: 20, heads: 2, groups: 1, columns: 160, width: 256, start: []int32{9}, column: 130},
		{tokens: 9, heads: 70, groups: 1, columns: 40, width: 8, start: []int32{0, 12}, column: 20},
		{tokens: 1, heads: 8, groups: 4, columns: 512, width: 32, start: []int32{0, 400, 470}, column: 479, window: 70},
		{tokens: 150, heads: 4, groups: 2, columns: 384, width: 16, start: []int32{0, 190, 300}, column: 200, window: 65},
		{tokens: 40, heads: 4, groups: 2, columns: 128, width: 48, start: []int32{0, 60}, column: 64, window: 1},
		{tokens: 33, heads: 8, groups: 2, columns: 128, width: 64, start: []int32{0, 50}, column: 40, cap: 5},
	} {
		if a.scale = 1 / math.Sqrt(float64(a.width)); a.cap != 0 {
			a.scale *= 4 // so that the cap is reached
		}
		t.Run(fmt.Sprintf("%d rows of %d tokens, %d heads on %d, width %d, window %d", len(a.start), a.tokens, a.heads, a.groups, a.width, a.window), func(t *testing.T) {
			a := a.filled(7)
			got := a.attended(t, dev)
			for row := range a.start {
				for token := range a.tokens {
					for head := range a.heads {
						want, size := a.plain(row, token, head)
						for e, w := range want {
							y := float64(got[((row*a.tokens+token)*a.heads+head)*a.width+e].Float32())
							// Shares and the result have 8 bits.
							if !(math.Abs(y-w) <= math.Abs(w)/256+size[e]/128) {
								t.Fatalf("row %d, token %d, head %d: element %d is %v and not %v", row, token, head, e, y, w)
							}
						}
					}
				}
			}
		})
	}
}

// A row's result must be the same bits in other columns, computed in other pieces,
// beside other rows, and whatever lies in columns that it does not see.
func TestAttendGivesASequenceTheSameBitsWhereverItLies(t *testing.T) {
	const length, heads, groups, width = 150, 8, 2, 64
	dev := own(t)
	for _, window := range []int{0, 70} {
		alone := attention{
			tokens: length, heads: heads, groups: groups, columns: length, width: width, start: []int32{0}, window: window, scale: 0.125,
		}.filled(11)
		want := alone.attended(t, dev)
		const row = heads * width
		for _, c := range []struct{ shift, columns, first int }{{0, 160, 0}, {5, 192, 0}, {33, 192, 100}, {40, 256, 149}, {105, 256, 64}} {
			// The sequence lies in the second of two rows, from column shift on; its
			// tokens before first have been computed earlier.
			moved := attention{
				tokens: length - c.first, heads: heads, groups: groups, columns: c.columns, width: width,
				start: []int32{3, int32(c.shift)}, column: c.shift + c.first, window: window, scale: 0.125,
			}.filled(23)
			tokens := (length - c.first) * row
			copy(moved.q[tokens:], alone.q[c.first*row:])
			nan := bfloat16.FromFloat32(float32(math.NaN()))
			for group := range groups {
				for _, pair := range [][2][]bfloat16.BFloat16{{moved.keys, alone.keys}, {moved.values, alone.values}} {
					all := pair[0][(groups+group)*c.columns*width:][:c.columns*width]
					for i := range all {
						all[i] = nan
					}
					copy(all[c.shift*width:], pair[1][group*length*width:][:length*width])
				}
			}
			got := moved.attended(t, dev)
			require.Equal(t, want[c.first*row:], got[tokens:], "window %d, %+v", window, c)
		}
	}
}

func TestWhatSeesNothingGivesZeros(t *testing.T) {
	a := attention{tokens: 3, heads: 2, groups: 1, columns: 64, width: 16, start: []int32{12, 60, 99}, column: 10, scale: 1}.filled(5)
	got := a.attended(t, own(t))
	zeros := make([]bfloat16.BFloat16, 3*2*16)
	require.Equal(t, zeros[:2*2*16], got[:2*2*16], "before the row begins")
	require.NotEqual(t, zeros[:2*16], got[2*2*16:3*2*16])
	require.Equal(t, append(zeros, zeros...), got[len(zeros):], "rows that begin later")
}

func TestAttentionIsLeftToXLAWhereItMust(t *testing.T) {
	dev := own(t)
	require.True(t, dev.HasKernels(dtypes.BFloat16))
	_, err := graph.CallOnce(dev.Backend(), func(q *graph.Node) *graph.Node {
		q = graph.ConvertDType(q, dtypes.BFloat16)
		start, column := graph.Const(q.Graph(), []int32{0}), graph.Const(q.Graph(), int32(0))
		_, ok := dev.Attend(q, q, q, start, column, 1, 0, 0)
		require.False(t, ok, "heads of more than 256")
		return graph.ConvertDType(graph.ReduceAllSum(q), dtypes.Float32)
	}, [][][][]float32{{{make([]float32, 257)}}})
	require.NoError(t, err)
}
