package infer

import (
	"cmp"
	"math"
	"slices"
)

// scores are the log probabilities of one place: what any token's is, and the
// most probable tokens. All come from the same float32 numbers, so that the
// chosen token's equals the highest exactly when it is the most probable one.
type scores struct {
	logits []float32 // as the model gave them
	norm   float64   // logarithm of the sum of their exponentials
	top    []TokenLogprob
}

// score takes logits [V], which may be changed afterwards, and finds the top
// most probable tokens.
func score(logits []float32, top int) scores {
	highest := float64(logits[argmax(logits)])
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - highest)
	}
	s := scores{logits: slices.Clone(logits), norm: highest + math.Log(sum)}
	for _, id := range mostProbable(logits, top) {
		s.top = append(s.top, TokenLogprob{ID: id, Logprob: s.logprob(id), Known: true})
	}
	return s
}

func (s scores) logprob(id int32) float32 { return float32(float64(s.logits[id]) - s.norm) }

// of gives a token with its alternatives.
func (s scores) of(id int32) TokenLogprob {
	return TokenLogprob{ID: id, Logprob: s.logprob(id), Known: true, Top: s.top}
}

// mostProbable finds the k highest of logits, highest first, ties by id.
func mostProbable(logits []float32, k int) []int32 {
	if k <= 0 {
		return nil
	}
	best := make([]int32, 0, k+1)
	higher := func(a, b int32) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	}
	for i := range logits {
		id := int32(i)
		if len(best) == k && logits[id] <= logits[best[k-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, id, higher)
		best = slices.Insert(best, at, id)
		best = best[:min(len(best), k)]
	}
	return best
}

// scorePrompt gives the log probabilities of a prompt's tokens. logits [n][V]
// are those after tokens from..from+n-1; what is known then goes into out: nothing of
// image tokens that are none of the vocabulary's.
func scorePrompt(out []TokenLogprob, prompt []int32, from int, logits [][]float32, top int) {
	for i, row := range logits {
		if next := from + i + 1; next < len(prompt) && int(prompt[next]) < len(row) {
			out[next] = score(row, top).of(prompt[next])
		}
	}
}
