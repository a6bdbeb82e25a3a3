package task

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestROUGEAgreesWithRougeScoreOnTheSameTokens(t *testing.T) {
	data, err := os.ReadFile("testdata/rouge.json")
	require.NoError(t, err)
	var cases []struct {
		Want, Got              []string
		Rouge1, Rouge2, RougeL float64
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Greater(t, len(cases), 40)
	graded := 0
	for _, c := range cases {
		require.InDelta(t, c.Rouge1, rougeF1(1, c.Want, c.Got), 1e-12, "ROUGE-1 of %v and %v", c.Want, c.Got)
		require.InDelta(t, c.Rouge2, rougeF1(2, c.Want, c.Got), 1e-12, "ROUGE-2 of %v and %v", c.Want, c.Got)
		require.InDelta(t, c.RougeL, rougeF1(0, c.Want, c.Got), 1e-12, "ROUGE-L of %v and %v", c.Want, c.Got)
		if c.RougeL > 0 && c.RougeL < c.Rouge1 {
			graded++
		}
	}
	require.Positive(t, graded, "some cases tell order from frequency")
}

func TestMorphemesAreThoseOfTheDictionary(t *testing.T) {
	words, err := newMorphemes()
	require.NoError(t, err)
	for text, want := range map[string][]string{
		"すもももももももものうち": {"すもも", "も", "もも", "も", "もも", "の", "うち"},
		"猫 が\n寝ている。":   {"猫", "が", "寝", "て", "いる", "。"},
		"":             nil,
		" \n　":         nil,
	} {
		require.Equal(t, want, words.of(text), text)
	}
}
