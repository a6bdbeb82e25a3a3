package infer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStopperHoldsBackWhatCouldBecomeAStop(t *testing.T) {
	cases := []struct {
		name    string
		stops   []string
		include bool
		pushes  []string
		shown   []string // after each push
		rest    string   // flushed at the end; "" after a stop
		stop    string   // the one that was reached
	}{
		{name: "no stops", pushes: []string{"a", "b"}, shown: []string{"a", "b"}},
		{name: "over two pushes", stops: []string{"END"}, pushes: []string{"xE", "ND y"}, shown: []string{"x", ""}, stop: "END"},
		{name: "false alarm", stops: []string{"END"}, pushes: []string{"xE", "N?"}, shown: []string{"x", "EN?"}},
		{name: "held at the end", stops: []string{"END"}, pushes: []string{"xEN"}, shown: []string{"x"}, rest: "EN"},
		{name: "the first of two", stops: []string{"bc", "ab"}, pushes: []string{"xabc"}, shown: []string{"x"}, stop: "ab"},
		{name: "longest overlap wins", stops: []string{"aab"}, pushes: []string{"aa", "ab"}, shown: []string{"", "a"}, stop: "aab"},
		{name: "included", stops: []string{"bc", "ab"}, include: true, pushes: []string{"xabcd"}, shown: []string{"xab"}, stop: "ab"},
		{name: "included over two pushes", stops: []string{"END"}, include: true, pushes: []string{"xE", "ND y"}, shown: []string{"x", "END"}, stop: "END"},
		{name: "japanese", stops: []string{"です。"}, pushes: []string{"個で", "す。"}, shown: []string{"個", ""}, stop: "です。"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := stopper{stops: c.stops, include: c.include}
			reached := ""
			for i, push := range c.pushes {
				var shown string
				shown, reached = s.push(push)
				require.Equal(t, c.shown[i], shown)
			}
			require.Equal(t, c.stop, reached)
			if reached == "" {
				require.Equal(t, c.rest, s.flush())
			}
			require.Empty(t, s.flush())
		})
	}
}

func TestBucketsHoldAndAreFew(t *testing.T) {
	for _, of := range []func(int) int{rowBucket, promptBucket, columnBucket, widthBucket} {
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
