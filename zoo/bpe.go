package zoo

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// The control tokens, in the order of their ids.
const (
	tokenUnknown  = "<unk>"
	tokenBegin    = "<s>"
	tokenEnd      = "</s>"
	tokenAsk      = "[INST]"
	tokenAnswer   = "[/INST]"
	tokenImage    = "<image>" // of models that see
	bytesOfOne    = 256
	minPairToJoin = 2
)

var controlTokens = []string{tokenUnknown, tokenBegin, tokenEnd, tokenAsk, tokenAnswer}

// piecePattern cuts text into the pieces that merges never cross: one digit;
// a Latin word with the space before it; a run of other letters (kanji and
// kana); any other character alone. It means the same to Go's regexp and to
// the Oniguruma library that reads tokenizer.json.
const piecePattern = `\p{N}| ?[A-Za-z]+|[^\P{L}A-Za-z]+|[^\p{L}\p{N}]`

var pieces = regexp.MustCompile(piecePattern)

// vocabulary is a trained byte-pair encoding: the tokens by id, and the merges
// in the order in which they apply.
type vocabulary struct {
	tokens []string
	merges [][2]string
	added  []string // control tokens after all others
}

// with is the vocabulary with one more control token.
func (v vocabulary) with(control string) vocabulary {
	v.added = append(slices.Clone(v.added), control)
	return v
}

// trainVocabulary learns a byte-pair encoding of at most size tokens. It holds
// the control tokens, a token for every byte (the fallback that lets any text
// be encoded), every character of the texts, and then the most frequent pairs,
// joined one after the other. Ties are broken by spelling, so the same texts
// always give the same vocabulary.
func trainVocabulary(texts []string, size int) vocabulary {
	var v vocabulary
	v.tokens = append(v.tokens, controlTokens...)
	for b := range bytesOfOne {
		v.tokens = append(v.tokens, fmt.Sprintf("<0x%02X>", b))
	}

	words := splitWords(texts)
	alphabet := map[string]bool{}
	for _, w := range words {
		for _, part := range w.parts {
			alphabet[part] = true
		}
	}
	v.tokens = append(v.tokens, slices.Sorted(maps.Keys(alphabet))...)

	known := map[string]bool{}
	for _, t := range v.tokens {
		known[t] = true
	}
	for len(v.tokens) < size {
		pair, count := commonestPair(words)
		if count < minPairToJoin {
			break
		}
		v.merges = append(v.merges, pair)
		if joined := pair[0] + pair[1]; !known[joined] {
			known[joined] = true
			v.tokens = append(v.tokens, joined)
		}
		for i := range words {
			words[i].join(pair)
		}
	}
	return v
}

// countedWord is a piece of text as the parts it is made of so far, and how
// often it occurs.
type countedWord struct {
	parts []string
	count int
}

// splitWords cuts the texts into pieces of single characters and counts them,
// in a fixed order.
func splitWords(texts []string) []countedWord {
	counts := map[string]int{}
	for _, t := range texts {
		for _, p := range pieces.FindAllString(t, -1) {
			counts[p]++
		}
	}
	words := make([]countedWord, 0, len(counts))
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		w := countedWord{count: counts[p]}
		for _, r := range p {
			w.parts = append(w.parts, string(r))
		}
		words = append(words, w)
	}
	return words
}

// commonestPair finds the neighbours that occur together most often.
func commonestPair(words []countedWord) (best [2]string, count int) {
	counts := map[[2]string]int{}
	for _, w := range words {
		for i := range len(w.parts) - 1 {
			counts[[2]string{w.parts[i], w.parts[i+1]}] += w.count
		}
	}
	for pair, n := range counts {
		if n > count || n == count && comparePairs(pair, best) < 0 {
			best, count = pair, n
		}
	}
	return best, count
}

// comparePairs orders pairs by spelling.
func comparePairs(a, b [2]string) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

// join replaces each occurrence of the pair, from the left, by one part.
func (w *countedWord) join(pair [2]string) {
	kept := w.parts[:0]
	for i := 0; i < len(w.parts); i++ {
		if i+1 < len(w.parts) && w.parts[i] == pair[0] && w.parts[i+1] == pair[1] {
			kept = append(kept, pair[0]+pair[1])
			i++
			continue
		}
		kept = append(kept, w.parts[i])
	}
	w.parts = kept
}

// The ids of the control tokens.
const (
	idUnknown int32 = iota
	idBegin
	idEnd
	idAsk
	idAnswer
)
