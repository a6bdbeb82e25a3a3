package infer

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// sampled is a case that scripts/fixtures/sampling.py wrote.
type sampled struct {
	Sampling struct {
		Temperature       float64
		TopK              int     `json:"top_k"`
		TopP              float64 `json:"top_p"`
		MinP              float64 `json:"min_p"`
		TypicalP          float64 `json:"typical_p"`
		RepetitionPenalty float64 `json:"repetition_penalty"`
	}
	Prompt   []int32
	Logits   []float32
	Logprobs []float64
	Kept     []int32
	Shares   []float64
}

func sampledCases(t *testing.T) (all []sampled) {
	t.Helper()
	data, err := os.ReadFile("testdata/sampling.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &all))
	require.Len(t, all, 15)
	return all
}

func newTestSampler(t *testing.T, s Sampling, prompt []int32, ends ...int32) *sampler {
	t.Helper()
	made, err := newSampler(Request{Prompt: prompt, Sampling: s}, 7, ends)
	require.NoError(t, err)
	return made
}

func TestCandidatesAreThoseOfTransformers(t *testing.T) {
	for _, c := range sampledCases(t) {
		t.Run(fmt.Sprintf("%+v", c.Sampling), func(t *testing.T) {
			s := newTestSampler(t, Sampling{
				Temperature: c.Sampling.Temperature, TopK: c.Sampling.TopK, TopP: c.Sampling.TopP, MinP: c.Sampling.MinP,
				TypicalP: c.Sampling.TypicalP, RepetitionPenalty: c.Sampling.RepetitionPenalty,
			}, c.Prompt)
			logits := slices.Clone(c.Logits)
			require.NoError(t, s.reshape(logits, 0))
			got := s.candidates(logits)
			total := sum(got)
			slices.SortFunc(got, byShare)
			for i, id := range c.Kept {
				if c.Shares[i] < 1e-12 {
					break // as good as impossible; left out where they are very many
				}
				require.Equal(t, id, got[i].id, "candidate %d", i)
				require.InDelta(t, c.Shares[i], got[i].share/total, 2e-5)
			}
			require.LessOrEqual(t, len(got), len(c.Kept))
		})
	}
}

func TestLogprobsAreThoseOfTorch(t *testing.T) {
	for _, c := range sampledCases(t) {
		s := score(c.Logits, 5)
		require.Len(t, s.top, 5)
		for id, want := range c.Logprobs {
			require.InDelta(t, want, s.of(int32(id)).Logprob, 1e-5)
		}
		best := argmax(c.Logits)
		require.Equal(t, best, s.top[0].ID)
		require.Equal(t, s.of(best).Logprob, s.top[0].Logprob, "the same number, to the last bit")
		for i := 1; i < 5; i++ {
			require.GreaterOrEqual(t, s.top[i-1].Logprob, s.top[i].Logprob)
		}
	}
}

func TestDrawFollowsTheDistribution(t *testing.T) {
	logits := []float32{0, 1, -2, 0.5}
	s := newTestSampler(t, Sampling{Temperature: 1}, nil)
	counts := make([]float64, len(logits))
	const draws = 20_000
	for place := range draws {
		token := s.draw(logits, place)
		require.Equal(t, token, s.draw(logits, place), "same seed and place, same token")
		counts[token]++
	}
	total := 0.0
	for _, l := range logits {
		total += math.Exp(float64(l))
	}
	for id, l := range logits {
		p := math.Exp(float64(l)) / total
		require.InDelta(t, p, counts[id]/draws, 5*math.Sqrt(p*(1-p)/draws), "token %d", id)
	}
}

func TestWhatChangesLogits(t *testing.T) {
	logits := []float32{3, 2, 1, 0, -1}
	for _, c := range []struct {
		name  string
		s     Sampling
		reply []int32
		ends  []int32
		want  []float32 // after reshaping
	}{
		{name: "nothing", want: []float32{3, 2, 1, 0, -1}},
		{name: "bias", s: Sampling{LogitBias: map[int32]float32{3: 5, 0: -100}}, want: []float32{-97, 2, 1, 5, -1}},
		{name: "no end yet", s: Sampling{MinTokens: 2}, reply: []int32{1}, ends: []int32{0}, want: []float32{impossible, 2, 1, 0, -1}},
		{name: "enough for an end", s: Sampling{MinTokens: 2}, reply: []int32{1, 1}, ends: []int32{0}, want: []float32{3, 2, 1, 0, -1}},
		{name: "presence", s: Sampling{PresencePenalty: 0.5}, reply: []int32{1, 1, 2}, want: []float32{3, 1.5, 0.5, 0, -1}},
		{name: "frequency", s: Sampling{FrequencyPenalty: 0.5}, reply: []int32{1, 1, 2}, want: []float32{3, 1, 0.5, 0, -1}},
		{name: "presence is of the reply, not the prompt", s: Sampling{PresencePenalty: 2}, want: []float32{3, 2, 1, 0, -1}},
		{name: "repetition", s: Sampling{RepetitionPenalty: 2}, reply: []int32{0, 0}, want: []float32{1.5, 2, 1, 0, -2}}, // the prompt is token 4
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSampler(t, c.s, []int32{4}, c.ends...)
			for _, token := range c.reply {
				require.NoError(t, s.took(token))
			}
			got := slices.Clone(logits)
			require.NoError(t, s.reshape(got, len(c.reply)))
			require.Equal(t, c.want, got)
		})
	}
}

// only is a grammar that allows a list of tokens at each place.
type only struct {
	places  [][]int32
	at      int
	matched *[]int32
	closed  *int
}

func (o only) NewMatcher() (Matcher, error) { return &o, nil }
func (o *only) Mask() ([]uint32, error) {
	mask := make([]uint32, 1)
	for _, id := range o.places[o.at] {
		mask[0] |= 1 << id
	}
	return mask, nil
}
func (o *only) Accept(token int32) error {
	*o.matched = append(*o.matched, token)
	o.at++
	return nil
}
func (o *only) Stopped() bool { return o.at == len(o.places) }
func (o *only) Close()        { *o.closed++ }

func TestAGrammarIsFollowed(t *testing.T) {
	for _, temperature := range []float64{0, 1} {
		var matched []int32
		closed := 0
		g := only{places: [][]int32{{3, 4}, {2}, {0, 9}}, matched: &matched, closed: &closed}
		s := newTestSampler(t, Sampling{Temperature: temperature, Constraint: g}, nil, 9)
		for place := range 3 {
			c, err := s.next([]float32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, place)
			require.NoError(t, err)
			require.Contains(t, g.places[place], c.token)
			require.NoError(t, s.took(c.token))
		}
		require.True(t, s.matcher.Stopped() || len(matched) == 2, "the end of sequence is not the grammar's business")
		s.close()
		s.close()
		require.Equal(t, 1, closed)
	}
}

func TestWhereNothingCanFollowIsAnError(t *testing.T) {
	var matched []int32
	closed := 0
	for name, c := range map[string]struct {
		s      Sampling
		logits []float32
	}{
		"a grammar at its end": {Sampling{Constraint: only{places: [][]int32{{}}, matched: &matched, closed: &closed}}, []float32{1, 2}},
		"broken numbers":       {Sampling{Temperature: 1}, []float32{float32(math.NaN()), float32(math.NaN())}},
	} {
		_, err := newTestSampler(t, c.s, nil).next(c.logits, 0)
		require.Equal(t, fault.Internal, fault.CodeOf(err), name)
	}
}

func TestSamplingOutOfRangeIsRefusedByName(t *testing.T) {
	nan := math.NaN()
	for param, all := range map[string][]Sampling{
		"max_tokens":         {{MaxTokens: -1}},
		"min_tokens":         {{MinTokens: -1}, {MinTokens: 5, MaxTokens: 4}},
		"temperature":        {{Temperature: -1}, {Temperature: nan}, {Temperature: math.Inf(1)}},
		"top_p":              {{TopP: -0.1}, {TopP: 1.1}, {TopP: nan}},
		"top_k":              {{TopK: -1}},
		"min_p":              {{MinP: 2}, {MinP: nan}},
		"typical_p":          {{TypicalP: 2}},
		"presence_penalty":   {{PresencePenalty: 3}, {PresencePenalty: nan}},
		"frequency_penalty":  {{FrequencyPenalty: -3}},
		"repetition_penalty": {{RepetitionPenalty: -1}, {RepetitionPenalty: 3}},
		"top_logprobs":       {{TopLogprobs: 21}, {TopLogprobs: -1}},
		"logit_bias":         {{LogitBias: map[int32]float32{64: 1}}, {LogitBias: map[int32]float32{1: 101}}, {LogitBias: map[int32]float32{-1: 1}}},
		"stop_token_ids":     {{StopTokenIDs: []int32{64}}, {StopTokenIDs: make([]int32, maxStopTokens+1)}},
	} {
		for _, s := range all {
			err := s.validate(64)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%s: %+v", param, s)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, param, f.Param)
		}
	}
	require.NoError(t, Sampling{}.validate(64))
}

// BenchmarkPick draws from a vocabulary of 32,000, as a sampled step does for
// each sequence.
func BenchmarkPick(b *testing.B) {
	logits := make([]float32, 32_000)
	for i := range logits {
		logits[i] = float32(math.Sin(float64(i*i))) * 8
	}
	for name, s := range map[string]Sampling{
		"temperature": {Temperature: 1},
		"top_p":       {Temperature: 1, TopP: 0.9},
		"logprobs":    {Logprobs: true, TopLogprobs: 20},
	} {
		b.Run(name, func(b *testing.B) {
			made, err := newSampler(Request{Sampling: s}, 1, nil)
			require.NoError(b, err)
			place := 0
			for b.Loop() {
				_, err := made.next(logits, place)
				require.NoError(b, err)
				place++
			}
		})
	}
}
