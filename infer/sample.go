package infer

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// impossible is the logit of a token that may not come.
var impossible = float32(math.Inf(-1))

// sampler picks the tokens of one reply. What it picks depends on the logits, the
// tokens so far, the seed and the place in the reply, and on nothing else: not on
// what else is in the batch.
type sampler struct {
	Sampling
	seed    uint64
	prompt  map[int32]bool // tokens of the prompt, if they matter
	counts  map[int32]int  // how often the reply has a token, if it matters
	ends    []int32        // tokens that would end the reply
	matcher Matcher        // nil: no grammar
}

func newSampler(r Request, seed uint64, ends []int32) (*sampler, error) {
	s := &sampler{Sampling: r.Sampling, seed: seed, ends: ends}
	if s.repeats() {
		s.prompt = map[int32]bool{}
		for _, id := range r.Prompt {
			s.prompt[id] = true
		}
	}
	if s.penalises() {
		s.counts = map[int32]int{}
	}
	if s.Constraint != nil {
		var err error
		if s.matcher, err = s.Constraint.NewMatcher(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fork gives a sampler that goes its own way from here. Grammars can't be forked.
func (s *sampler) fork() *sampler {
	other := *s
	other.counts = maps.Clone(s.counts)
	return &other
}

// close frees the matcher.
func (s *sampler) close() {
	if s.matcher != nil {
		s.matcher.Close()
		s.matcher = nil
	}
}

// choice is a token that was picked, with what was asked about it.
type choice struct {
	token   int32
	logprob TokenLogprob
}

// next picks the token at a place of the reply (0 is its first) from logits [V],
// which it changes.
func (s *sampler) next(logits []float32, place int) (choice, error) {
	var picked choice
	var scores scores
	if s.Logprobs {
		scores = score(logits, s.TopLogprobs)
	}
	if err := s.reshape(logits, place); err != nil {
		return choice{}, err
	}
	picked.token = argmax(logits)
	if highest := logits[picked.token]; highest == impossible || math.IsNaN(float64(highest)) {
		return choice{}, fault.New(fault.Internal, "no token can follow: the model's numbers are broken, or nothing is allowed any more")
	}
	if s.Temperature > 0 {
		picked.token = s.draw(logits, place)
	}
	if s.Logprobs {
		picked.logprob = scores.of(picked.token)
	}
	return picked, nil
}

// took tells the sampler which token the reply has got.
func (s *sampler) took(token int32) error {
	if s.counts != nil {
		s.counts[token]++
	}
	if s.matcher != nil && !slices.Contains(s.ends, token) {
		return s.matcher.Accept(token)
	}
	return nil
}

// reshape takes out what may not come, and applies bias and penalties.
func (s *sampler) reshape(logits []float32, place int) error {
	if s.matcher != nil {
		mask, err := s.matcher.Mask()
		if err != nil {
			return err
		}
		for id := range logits {
			if word := id / 32; word >= len(mask) || mask[word]>>(id%32)&1 == 0 {
				logits[id] = impossible
			}
		}
	}
	if place < s.MinTokens {
		for _, id := range s.ends {
			logits[id] = impossible
		}
	}
	for id, bias := range s.LogitBias {
		logits[id] += bias
	}
	if !s.penalises() {
		return nil
	}
	if s.repeats() {
		for id := range s.prompt {
			if int(id) < len(logits) { // an image token may be none of the vocabulary's
				logits[id] = repeated(logits[id], s.RepetitionPenalty)
			}
		}
	}
	for id, times := range s.counts {
		if s.repeats() && !s.prompt[id] {
			logits[id] = repeated(logits[id], s.RepetitionPenalty)
		}
		logits[id] -= float32(s.PresencePenalty + s.FrequencyPenalty*float64(times))
	}
	return nil
}

func repeated(logit float32, penalty float64) float32 {
	if logit > 0 {
		return float32(float64(logit) / penalty)
	}
	return float32(float64(logit) * penalty)
}

// draw picks by chance, from seed and place alone.
func (s *sampler) draw(logits []float32, place int) int32 {
	candidates := s.candidates(logits)
	total := 0.0
	for _, c := range candidates {
		total += c.share
	}
	u := rand.New(rand.NewPCG(s.seed, uint64(place))).Float64() * total
	for _, c := range candidates {
		if u -= c.share; u < 0 {
			return c.id
		}
	}
	return candidates[len(candidates)-1].id // rounding left a crumb
}

// candidate is a token with its share, relative to that of the others.
type candidate struct {
	id    int32
	share float64 // of the most probable token: 1
}

// negligible is the share, of the most probable token's, below which a token is
// as good as impossible: a million such tokens together would be drawn less than
// once in ten thousand million times.
const negligible = 1e-16

// candidates gives the tokens that may be drawn, in an order that depends on the
// logits alone. A token that crosses a threshold of mass belongs to them.
func (s *sampler) candidates(logits []float32) []candidate {
	highest := float64(logits[argmax(logits)])
	least := max(negligible, s.MinP)
	floor := highest + s.Temperature*math.Log(least)
	var all []candidate
	total := 0.0
	for i, l := range logits {
		if float64(l) < floor {
			continue
		}
		share := math.Exp((float64(l) - highest) / s.Temperature)
		all = append(all, candidate{int32(i), share})
		total += share
	}
	if s.TopK > 0 && s.TopK < len(all) {
		all = highestShares(all, s.TopK)
		total = sum(all)
	}
	if s.TypicalP > 0 && s.TypicalP < 1 {
		all = typical(all, total, s.TypicalP)
		total = sum(all)
	}
	if s.TopP > 0 && s.TopP < 1 {
		all = nucleus(all, total, s.TopP)
	}
	return all
}

func sum(all []candidate) (total float64) {
	for _, c := range all {
		total += c.share
	}
	return total
}

func byShare(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.id, b.id))
}

// nucleus gives the most probable tokens that together reach p of the total, in
// order (Holtzman et al. 2019). Few tokens reach it as a rule, so it sorts the
// likely ones first and the rest only if they do not.
func nucleus(all []candidate, total, p float64) []candidate {
	for count := 64; ; count *= 8 {
		head := highestShares(all, min(count, len(all)))
		reached := 0.0
		for i, c := range head {
			if reached += c.share; reached >= p*total {
				return head[:i+1]
			}
		}
		if len(head) == len(all) {
			return head
		}
	}
}

// highestShares moves the k candidates with the highest shares to the front, in
// order, and gives them.
func highestShares(all []candidate, k int) []candidate {
	if k < len(all) {
		partition(all, k)
	}
	head := all[:k]
	slices.SortFunc(head, byShare)
	return head
}

// partition moves the k first in order to the front, in any order among
// themselves (Hoare's selection).
func partition(all []candidate, k int) {
	low, high := 0, len(all)-1
	for low < high {
		pivot := all[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for byShare(all[i], pivot) < 0 {
				i++
			}
			for byShare(all[j], pivot) > 0 {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return
		}
	}
}

// typical gives the tokens whose surprise is nearest to the expected one, as
// many as together have mass p (Meister et al. 2022).
func typical(all []candidate, total, p float64) []candidate {
	entropy := 0.0
	for _, c := range all {
		if q := c.share / total; q > 0 {
			entropy -= q * math.Log(q)
		}
	}
	distance := func(c candidate) float64 { return math.Abs(-math.Log(c.share/total) - entropy) }
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(distance(a), distance(b)), byShare(a, b))
	})
	reached := 0.0
	for i, c := range all {
		if reached += c.share; reached >= p*total {
			return all[:i+1]
		}
	}
	return all
}

// argmax is the first of the largest, as the device picks.
func argmax(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return int32(best)
}
