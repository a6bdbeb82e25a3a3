package task

import (
	"context"
	"fmt"
	"strings"
)

// rouge is the F1 of what the morphemes of reply and answer have in common: their
// n-grams, or with n = 0 their longest common subsequence (ROUGE-L). With the same
// tokens it is what PyPI's rouge_score computes; of several answers the best
// counts.
type rouge struct {
	reading
	n     int
	words *morphemes
}

// maxMorphemes bounds what of a text is compared: the longest common subsequence
// takes time in proportion to the product of both lengths.
const maxMorphemes = 4096

func newRouge(d description, read reading, _ Judge) (metric, error) {
	words, err := newMorphemes()
	if err != nil {
		return nil, err
	}
	return rouge{reading: read, n: map[string]int{metricRouge1: 1, metricRouge2: 2, metricRougeL: 0}[d.Metric], words: words}, nil
}

func (m rouge) check(p Problem) error {
	for _, answer := range p.accepted() {
		if m.apply(answer) == "" {
			return fmt.Errorf("the answer %q is empty once it is normalised", clip(answer))
		}
	}
	return nil
}

func (m rouge) score(_ context.Context, p Problem, r Reply) (verdict, error) {
	read := m.read(r.Text)
	v := verdict{extracted: m.shown(read, r.Text)}
	got := m.cut(read)
	for _, answer := range p.accepted() {
		v.score = max(v.score, rougeF1(m.n, m.cut(m.apply(answer)), got))
	}
	return v, nil
}

func (m rouge) cut(text string) []string {
	words := m.words.of(text)
	return words[:min(len(words), maxMorphemes)]
}

// rougeF1 compares two texts by their n-grams, or by their longest common
// subsequence if n is 0.
func rougeF1(n int, want, got []string) float64 {
	if n == 0 {
		return f1(commonSubsequence(want, got), len(want), len(got))
	}
	return bagF1(ngrams(n, want), ngrams(n, got))
}

// ngrams are the runs of n tokens, each as one string.
func ngrams(n int, tokens []string) []string {
	var all []string
	for i := range max(0, len(tokens)-n+1) {
		all = append(all, strings.Join(tokens[i:i+n], "\x00"))
	}
	return all
}

// commonSubsequence is the length of the longest one.
func commonSubsequence(a, b []string) int {
	row := make([]int, len(b)+1) // row[j]: of a's beginning and b[:j]
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
