package task

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestSamplesComeBackAsTheyWere(t *testing.T) {
	want := []Sample{
		{ID: "a", Outcome: Outcome{Score: 1, Correct: true, NumberRight: true, LanguageRight: true, Extracted: "80", Reply: "答えは80<です>。\n"}},
		{ID: "b", Outcome: Outcome{Score: 1.0 / 3, LanguageRight: true, Reply: "x"}},
		{ID: "c", Outcome: Outcome{NumberRight: true, Failure: "no grade"}},
	}
	data, err := EncodeSamples(want, 1000)
	require.NoError(t, err)
	got, err := DecodeSamples(data)
	require.NoError(t, err)
	require.Equal(t, want, got)
	none, err := DecodeSamples(nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestRepliesBeyondTheBoundAreDropped(t *testing.T) {
	var all []Sample
	for i := range 4 {
		all = append(all, Sample{ID: fmt.Sprint(i), Outcome: Outcome{Reply: strings.Repeat("x", 10*i), Score: 1, Correct: true}})
	}
	data, err := EncodeSamples(all, 29)
	require.NoError(t, err)
	got, err := DecodeSamples(data)
	require.NoError(t, err)
	require.Equal(t, []int{0, 10, 0, 0}, []int{len(got[0].Reply), len(got[1].Reply), len(got[2].Reply), len(got[3].Reply)})
	require.Equal(t, []bool{false, false, true, true}, []bool{got[0].ReplyDropped, got[1].ReplyDropped, got[2].ReplyDropped, got[3].ReplyDropped})
	require.True(t, got[3].Correct, "the verdict stays")
}

func TestSamplesAreSmall(t *testing.T) {
	var all []Sample
	for i := range 1069 {
		o := Outcome{LanguageRight: true, Extracted: fmt.Sprint(i), Reply: fmt.Sprintf("%d+%d=%dなので、答えは%d個です。", i, i, 2*i, 2*i)}
		if i%3 == 0 {
			o.Score, o.Correct, o.NumberRight = 1, true, true
		}
		all = append(all, Sample{ID: fmt.Sprintf("search-%04d", i), Outcome: o})
	}
	with, err := EncodeSamples(all, 1<<20)
	require.NoError(t, err)
	without, err := EncodeSamples(all, 0)
	require.NoError(t, err)
	require.Less(t, len(with), 32<<10)
	require.Less(t, len(without), 16<<10)
}

func TestDamagedSamplesAreSaidToBe(t *testing.T) {
	data, err := EncodeSamples([]Sample{{ID: "a"}}, 0)
	require.NoError(t, err)
	for name, broken := range map[string][]byte{"another format": {9}, "cut": data[:len(data)-3], "no JSON": append([]byte{1}, 0, 5, 0, 250, 255, 'h', 'e', 'l', 'l', 'o')} {
		_, err := DecodeSamples(broken)
		require.Equal(t, fault.Damaged, fault.CodeOf(err), name)
	}
}
