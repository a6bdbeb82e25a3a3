package constrain

/*
#cgo LDFLAGS: -ltokenizers -ldl -lm
#include <stdlib.h>
#include "native.h"
*/
import "C"

import (
	"errors"
	"regexp"
	"runtime"
	"strings"
	"unsafe"
)

// This file is the border to llguidance: C memory is made and freed here, and
// nothing but Go's types leaves it. The library catches its own panics and
// reports them as errors.

// libraryVersion is what the linked library calls itself.
func libraryVersion() string { return C.GoString(C.llg_get_version()) }

// nativeVocabulary is a trie of tokens' bytes. It is immutable, and freed when
// nothing refers to it any more; matchers that were made with it hold on to
// what they need of it.
type nativeVocabulary struct{ p *C.LlgTokenizer }

// newNativeVocabulary takes the bytes of the tokens 0, 1, …; a token without
// bytes is never allowed, except those of eos where a text may end.
func newNativeVocabulary(tokens []string, eos []int32) (*nativeVocabulary, error) {
	lens := make([]uint32, len(tokens))
	var all []byte
	for i, token := range tokens {
		lens[i] = uint32(len(token))
		all = append(all, token...)
	}
	if len(all) == 0 {
		return nil, errors.New("no token has any text")
	}
	ends := make([]uint32, len(eos))
	for i, id := range eos {
		ends[i] = uint32(id)
	}
	message := make([]byte, 1024)
	p := C.constrain_new_tokenizer(C.uint32_t(len(tokens)), (*C.uint32_t)(unsafe.SliceData(lens)), (*C.uint8_t)(unsafe.SliceData(all)),
		(*C.uint32_t)(unsafe.SliceData(ends)), C.uint32_t(len(ends)), (*C.char)(unsafe.Pointer(unsafe.SliceData(message))), C.size_t(len(message)))
	if p == nil {
		text, _, _ := strings.Cut(string(message), "\x00")
		return nil, errors.New(essence(text))
	}
	v := &nativeVocabulary{p}
	runtime.AddCleanup(v, func(p *C.LlgTokenizer) { C.llg_free_tokenizer(p) }, p)
	return v, nil
}

// nativeMatcher follows one text through a grammar. It is not safe for
// concurrent use.
type nativeMatcher struct{ p *C.LlgMatcher }

// newNativeMatcher compiles data, which must not hold a NUL.
func newNativeMatcher(v *nativeVocabulary, l Limits, kind, data string) (*nativeMatcher, error) {
	kindC, dataC := C.CString(kind), C.CString(data)
	defer C.free(unsafe.Pointer(kindC))
	defer C.free(unsafe.Pointer(dataC))
	m := &nativeMatcher{C.constrain_new_matcher(v.p, C.LlgParserLimits{
		max_items_in_row:         C.size_t(l.RowItems),
		initial_lexer_fuel:       C.uint64_t(l.CompileFuel),
		step_lexer_fuel:          C.uint64_t(l.StepFuel),
		step_max_items:           C.size_t(l.StepItems),
		max_lexer_states:         C.size_t(l.LexerStates),
		max_grammar_size:         C.size_t(l.GrammarSize),
		precompute_large_lexemes: true,
		verbose_errors:           false, // they would show the text so far
	}, kindC, dataC)}
	runtime.KeepAlive(v)
	if err := m.err(); err != nil {
		m.free()
		return nil, err
	}
	return m, nil
}

// clone makes a matcher in the same state that shares nothing with this one.
func (m *nativeMatcher) clone() *nativeMatcher { return &nativeMatcher{C.llg_clone_matcher(m.p)} }

func (m *nativeMatcher) free() {
	C.llg_free_matcher(m.p)
	m.p = nil
}

// mask writes the tokens that may come next, one bit each.
func (m *nativeMatcher) mask(into []uint32) error {
	if C.llg_matcher_compute_mask_into(m.p, (*C.uint32_t)(unsafe.SliceData(into)), C.size_t(4*len(into))) < 0 {
		return m.failed()
	}
	return nil
}

// allows tells whether a token may come next. The token has bytes.
func (m *nativeMatcher) allows(token int32) (bool, error) {
	id := C.uint32_t(token)
	n := C.llg_matcher_validate_tokens(m.p, &id, 1)
	if n < 0 {
		return false, m.failed()
	}
	return n == 1, nil
}

// take goes on by a token that may come next.
func (m *nativeMatcher) take(token int32) error {
	if C.llg_matcher_consume_token(m.p, C.uint32_t(token)) < 0 {
		return m.failed()
	}
	return nil
}

// mayEnd tells whether the text is whole.
func (m *nativeMatcher) mayEnd() bool { return bool(C.llg_matcher_is_accepting(m.p)) }

// stopped tells whether nothing may follow, be it because the text is whole or
// because of an error.
func (m *nativeMatcher) stopped() bool { return bool(C.llg_matcher_is_stopped(m.p)) }

// err is what has gone wrong; the matcher is of no use after that.
func (m *nativeMatcher) err() error {
	text := C.llg_matcher_get_error(m.p)
	if text == nil {
		return nil
	}
	return errors.New(essence(C.GoString(text)))
}

func (m *nativeMatcher) failed() error {
	if err := m.err(); err != nil {
		return err
	}
	return errors.New("unknown error")
}

// essence leaves out what llguidance adds to its errors: backtraces, states, and
// places in a grammar that it wrote itself.
func essence(text string) string {
	if _, parser, ok := strings.Cut(text, "regex parse error:"); ok {
		if _, reason, ok := strings.Cut(parser, "\nerror: "); ok {
			reason, _, _ = strings.Cut(reason, "\n")
			return "the regular expression does not parse: " + reason
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	return placeInGrammar.ReplaceAllString(text, "")
}

var placeInGrammar = regexp.MustCompile(`^(at )?\d+\(\d+\): `)
