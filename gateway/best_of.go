package gateway

import (
	"cmp"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// bestOf checks best_of and gives the number of replies to generate, of which n
// are shown.
func (r CompletionRequest) bestOf(n int, l Limits) (int, error) {
	if r.BestOf == nil {
		return n, nil
	}
	best := *r.BestOf
	switch {
	case best < n || best > l.Choices:
		return 0, fault.Bad("best_of", "best_of is %d: it must be between n, which is %d, and %d", best, n, l.Choices)
	case r.Stream && best > n:
		return 0, fault.Bad("best_of", "best_of is %d and n is %d: replies can't be streamed before the best are known", best, n)
	}
	return best, nil
}

// mostProbable keeps, of each n results, the so many that have the highest mean
// log probability per token, best first. Of equal ones the earlier is better.
func mostProbable(results []infer.Result, n, keep int) []infer.Result {
	var kept []infer.Result
	for group := range slices.Chunk(results, n) {
		ranked := slices.Clone(group)
		slices.SortStableFunc(ranked, func(a, b infer.Result) int { return cmp.Compare(meanLogprob(b), meanLogprob(a)) })
		kept = append(kept, ranked[:keep]...)
	}
	return kept
}

// meanLogprob is that of a reply's tokens; the token that ended it is one of them.
func meanLogprob(r infer.Result) float64 {
	sum := 0.0
	for _, t := range r.Logprobs {
		sum += float64(t.Logprob)
	}
	return sum / float64(max(1, len(r.Logprobs)))
}
