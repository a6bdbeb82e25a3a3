package infer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// beamed is a case that scripts/fixtures/beams.py wrote.
type beamed struct {
	Model             string
	Width             int
	Keep              int
	LengthPenalty     float64 `json:"length_penalty"`
	EarlyStopping     bool    `json:"early_stopping"`
	RepetitionPenalty float64 `json:"repetition_penalty"`
	MaxTokens         int     `json:"max_tokens"`
	StopTokens        []int32 `json:"stop_tokens"`
	Prompt            []int32
	Replies           [][]int32
}

func TestBeamsAreThoseOfTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/beams.json")
	require.NoError(t, err)
	var cases []beamed
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	e := engine(t, infer.Options{GrowColumns: 4})
	models := map[string]*infer.Model{}
	for _, name := range []string{"mistral-f32", "llama-f32"} {
		models[name], _, _ = load(t, name, dtypes.Float32)
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d %s width=%d", i, c.Model, c.Width), func(t *testing.T) {
			m := models[c.Model]
			r := greedy(c.Prompt, c.MaxTokens)
			r.Sampling.StopTokenIDs = c.StopTokens
			r.Sampling.RepetitionPenalty = c.RepetitionPenalty
			got, err := e.Beam(t.Context(), m, r, infer.BeamOptions{
				Width: c.Width, Keep: c.Keep, LengthPenalty: c.LengthPenalty, EarlyStopping: c.EarlyStopping,
			})
			require.NoError(t, err)
			require.Len(t, got, c.Keep)
			for k, want := range c.Replies {
				reason := "length"
				if last := want[len(want)-1]; len(c.StopTokens) > 0 && last == c.StopTokens[0] {
					want, reason = want[:len(want)-1], "stop"
				}
				require.Equal(t, m.Tokenizer.Decode(want, true), got[k].Text, "reply %d", k)
				require.Equal(t, reason, got[k].FinishReason)
			}
		})
	}
}

func TestABeamSearchOfWidthOneIsGreedy(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	got, err := engine(t, infer.Options{}).Beam(t.Context(), m, greedy(prompt, 12), infer.BeamOptions{Width: 1})
	require.NoError(t, err)
	require.Equal(t, want, got[0].Text)
}

func TestBeamOptionsOutOfRangeAreRefused(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	warm := greedy(prompt, 3)
	warm.Sampling.Temperature = 1
	for _, c := range []struct {
		r     infer.Request
		o     infer.BeamOptions
		param string
	}{
		{greedy(prompt, 3), infer.BeamOptions{}, "best_of"},
		{greedy(prompt, 3), infer.BeamOptions{Width: infer.MaxBeams + 1}, "best_of"},
		{greedy(prompt, 3), infer.BeamOptions{Width: 2, Keep: 3}, "n"},
		{greedy(prompt, 3), infer.BeamOptions{Width: 2, LengthPenalty: 11}, "length_penalty"},
		{warm, infer.BeamOptions{Width: 2}, "temperature"},
	} {
		_, err := e.Beam(t.Context(), m, c.r, c.o)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, c.param, f.Param)
	}
}
