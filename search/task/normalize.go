package task

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/mergeway/mergeway/fault"
)

// normalization is something that is done to replies and answers before they are
// compared.
type normalization string

// The normalisations, in the order in which they are done.
const (
	normalizeEmoji       normalization = "emoji"       // emoji are removed
	normalizeWidth       normalization = "width"       // NFKC: ＡＢ１２ is AB12, ｶﾅ is カナ
	normalizeCase        normalization = "case"        // lower case
	normalizePunctuation normalization = "punctuation" // punctuation and symbols are removed
	normalizeSpace       normalization = "space"       // white space is removed
	normalizeTrim        normalization = "trim"        // white space at both ends is removed
)

func normalizations() []normalization {
	return []normalization{normalizeEmoji, normalizeWidth, normalizeCase, normalizePunctuation, normalizeSpace, normalizeTrim}
}

// apply does one normalisation.
func (n normalization) apply(text string) string {
	switch n {
	case normalizeEmoji:
		return without(text, isEmoji)
	case normalizeWidth:
		return norm.NFKC.String(text)
	case normalizeCase:
		return strings.ToLower(text)
	case normalizePunctuation:
		return without(text, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) })
	case normalizeSpace:
		return without(text, unicode.IsSpace)
	case normalizeTrim:
		return strings.TrimSpace(text)
	}
	return text
}

// without removes runes.
func without(text string, drop func(r rune) bool) string {
	return strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, text)
}

// reading is what is done to a reply before it is compared: a part of it is taken,
// and normalised.
type reading struct {
	pattern   *regexp.Regexp // nil: all of it
	normalize []normalization
}

// compile checks the normalisations, and reads the pattern, if there is one.
func (r *reading) compile(pattern string) error {
	for _, n := range r.normalize {
		if !slices.Contains(normalizations(), n) {
			return fault.Bad("normalize", "%q is not one of %v", string(n), normalizations())
		}
	}
	if pattern == "" {
		return nil
	}
	if len(pattern) > maxPatternBytes {
		return fault.Bad("pattern", "%d bytes: at most %d", len(pattern), maxPatternBytes)
	}
	var err error
	if r.pattern, err = regexp.Compile(pattern); err != nil {
		return fault.Bad("pattern", "%v", err)
	}
	if r.pattern.NumSubexp() > 1 {
		return fault.Bad("pattern", "it has %d groups: at most one, which is what is taken of a match", r.pattern.NumSubexp())
	}
	return nil
}

// read takes from a reply what is compared: the last match of the pattern, or its
// group, normalised.
func (r reading) read(reply string) string {
	if r.pattern != nil {
		all := r.pattern.FindAllStringSubmatch(reply, -1)
		if len(all) == 0 {
			return ""
		}
		match := all[len(all)-1]
		reply = match[len(match)-1]
	}
	return r.apply(reply)
}

// apply normalises a text, in the order of [normalizations].
func (r reading) apply(text string) string {
	for _, n := range normalizations() {
		if slices.Contains(r.normalize, n) {
			text = n.apply(text)
		}
	}
	return text
}

// shown is what people see of what was read, unless it is the reply itself.
func (r reading) shown(read, reply string) string {
	if read == reply {
		return ""
	}
	return clip(read)
}
