package infer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStopperHoldsBackWhatCouldBecomeAStop(t *testing.T) {
	cases := []struct {
		name   string
		stops  []string
		pushes []string
		shown  []string // after each push
		rest   string   // flushed at the end; "" after a stop
		stop   bool
	}{
		{name: "no stops", pushes: []string{"a", "b"}, shown: []string{"a", "b"}},
		{name: "over two pushes", stops: []string{"END"}, pushes: []string{"xE", "ND y"}, shown: []string{"x", ""}, stop: true},
		{name: "false alarm", stops: []string{"END"}, pushes: []string{"xE", "N?"}, shown: []string{"x", "EN?"}},
		{name: "held at the end", stops: []string{"END"}, pushes: []string{"xEN"}, shown: []string{"x"}, rest: "EN"},
		{name: "the first of two", stops: []string{"bc", "ab"}, pushes: []string{"xabc"}, shown: []string{"x"}, stop: true},
		{name: "longest overlap wins", stops: []string{"aab"}, pushes: []string{"aa", "ab"}, shown: []string{"", "a"}, stop: true},
		{name: "japanese", stops: []string{"です。"}, pushes: []string{"個で", "す。"}, shown: []string{"個", ""}, stop: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := stopper{stops: c.stops}
			stopped := false
			for i, push := range c.pushes {
				var shown string
				shown, stopped = s.push(push)
				require.Equal(t, c.shown[i], shown)
			}
			require.Equal(t, c.stop, stopped)
			if !stopped {
				require.Equal(t, c.rest, s.flush())
			}
			require.Empty(t, s.flush())
		})
	}
}

func TestNucleus(t *testing.T) {
	logits := []float32{0, 2, 1, -30}
	all := Sampling{Temperature: 1}.nucleus(logits)
	require.Len(t, all, 4)
	require.EqualValues(t, []int32{1, 2, 0, 3}, ids(all))
	require.InDelta(t, 0.6652, all[0].share, 1e-3)
	require.Equal(t, []int32{1, 2}, ids(Sampling{Temperature: 1, TopP: 0.7}.nucleus(logits)))
	require.Equal(t, []int32{1}, ids(Sampling{Temperature: 1, TopP: 1e-9}.nucleus(logits)))
}

func ids(all []candidate) []int32 {
	var out []int32
	for _, c := range all {
		out = append(out, c.id)
	}
	return out
}

func TestPickFollowsTheDistribution(t *testing.T) {
	logits := []float32{0, 1}
	s := Sampling{Temperature: 1}
	ones := 0
	for position := range 4000 {
		require.Equal(t, s.pick(logits, 3, position), s.pick(logits, 3, position), "same seed and position, same token")
		ones += int(s.pick(logits, 3, position))
	}
	require.InDelta(t, 0.731, float64(ones)/4000, 0.03)
	require.EqualValues(t, 1, Sampling{}.pick(logits, 0, 0))
}

func TestBucketsHoldAndAreFew(t *testing.T) {
	for _, of := range []func(int) int{rowBucket, columnBucket, widthBucket} {
		seen := map[int]bool{}
		for n := 1; n <= 4096; n++ {
			size := of(n)
			require.GreaterOrEqual(t, size, n)
			require.True(t, n <= 32 || size < 2*n, "%d in %d", n, size)
			seen[size] = true
		}
		require.Less(t, len(seen), 25)
	}
	require.Equal(t, 48, rowBucket(33))
	require.Equal(t, 16, widthBucket(9))
}
