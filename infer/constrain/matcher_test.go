package constrain

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func compile(t testing.TB, v Vocabulary, s Spec) *Grammar {
	t.Helper()
	g, err := NewCompiler(Limits{}).Compile(v, s)
	require.NoError(t, err)
	return g
}

// masks computes the mask and gives its ids.
func masks(t testing.TB, m *Matcher) []int32 {
	t.Helper()
	mask, err := m.Mask()
	require.NoError(t, err)
	return allowedIDs(mask)
}

func accept(t testing.TB, v Vocabulary, m *Matcher, text string) {
	t.Helper()
	for _, id := range v.Tokenizer.Encode(text, false) {
		require.NoError(t, m.Accept(id), "%q", text)
	}
}

func TestATextEndsExactlyWhereItMay(t *testing.T) {
	for name, c := range map[string]struct {
		spec    Spec
		text    string
		may     bool // end here
		stopped bool
	}{
		"nothing yet":             {Spec{Kind: Regex, Text: "a+"}, "", false, false},
		"nothing is enough":       {Spec{Kind: Regex, Text: "a*"}, "", true, false},
		"one, and more may come":  {Spec{Kind: Regex, Text: "a+"}, "a", true, false},
		"all there can be":        {Spec{Kind: Regex, Text: "a{1,2}"}, "aa", true, true},
		"half a character's text": {Spec{Kind: Regex, Text: "日本"}, "日", false, false},
		"the shorter choice":      {ChoiceOf("yes", "yes and no"), "yes", true, false},
		"between two choices":     {ChoiceOf("yes", "yes and no"), "yes an", false, false},
		"the longer choice":       {ChoiceOf("yes", "yes and no"), "yes and no", true, true},
		"an open object":          {Spec{Kind: JSONObject}, `{"a":1`, false, false},
		"a whole object":          {Spec{Kind: JSONObject}, `{"a":1}`, true, true},
		"a number":                {Spec{Kind: JSONSchema, Text: `{"type":"integer"}`}, "12", true, false},
		"a minus":                 {Spec{Kind: JSONSchema, Text: `{"type":"integer"}`}, "-", false, false},
		"the largest number":      {Spec{Kind: JSONSchema, Text: `{"type":"integer","minimum":0,"maximum":99}`}, "12", true, true},
		"an open string":          {Spec{Kind: JSONSchema, Text: `{"type":"string"}`}, `"東京`, false, false},
		"a string":                {Spec{Kind: JSONSchema, Text: `{"type":"string"}`}, `"東京"`, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := zoo(t)
			v.EOS = []int32{3, eos, eos, -1, 1 << 20} // two that can be picked
			m := compile(t, v, c.spec).newMatcher()
			defer m.Close()
			accept(t, v, m, c.text)
			ids := masks(t, m)
			if c.may {
				require.Subset(t, ids, []int32{eos, 3})
			} else {
				require.NotContains(t, ids, int32(eos))
				require.NotContains(t, ids, int32(3))
			}
			require.Equal(t, c.stopped, m.Stopped())
			if c.stopped {
				require.Equal(t, []int32{eos, 3}, ids)
			}
			if !c.may {
				require.Equal(t, fault.Internal, fault.CodeOf(m.Accept(eos)))
				require.False(t, m.Stopped())
				return
			}
			require.NoError(t, m.Accept(3))
			require.True(t, m.Stopped())
			require.Equal(t, []int32{eos, 3}, masks(t, m))
			require.Error(t, m.Accept(eos), "it has ended")
			require.Error(t, m.Accept(v.Tokenizer.Encode("a", false)[0]))
		})
	}
}

func TestWithoutAnEndATextStopsWhereNothingCanFollow(t *testing.T) {
	v := zoo(t)
	v.EOS = nil
	m := compile(t, v, Spec{Kind: Regex, Text: "a{1,2}"}).newMatcher()
	defer m.Close()
	accept(t, v, m, "a")
	require.NotEmpty(t, masks(t, m))
	require.False(t, m.Stopped())
	accept(t, v, m, "a")
	require.True(t, m.Stopped())
	require.Empty(t, masks(t, m))
}

// The mask is the truth: exactly its tokens are accepted. Special tokens and
// rows that the tokenizer doesn't know are never in it.
func TestMaskAndAcceptAgree(t *testing.T) {
	for kind, v := range vocabularies(t) {
		for name, s := range map[string]Spec{
			"object": {Kind: JSONObject}, "any text": {Kind: Regex, Text: `(?s:.*)`}, "regex": {Kind: Regex, Text: `( |[a-z日本])*[0-9]?`},
			"schema": {Kind: JSONSchema, Text: schemas["japanese names"]},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				random := rand.New(rand.NewPCG(9, 9))
				g := compile(t, v, s)
				for range 3 {
					m := g.newMatcher()
					for range 12 {
						if m.Stopped() {
							break
						}
						ids := masks(t, m)
						allowed := map[int32]bool{}
						for _, id := range ids {
							allowed[id] = true
							require.True(t, id == eos || !v.Tokenizer.IsSpecial(id))
						}
						for id := int32(-1); int(id) <= v.Rows+64; id++ {
							if !allowed[id] {
								require.Error(t, m.Accept(id), "%d", id)
							}
						}
						require.Equal(t, ids, masks(t, m), "what was refused changed nothing")
						next := ids[random.IntN(len(ids))]
						require.NoError(t, m.Accept(next))
						if next == eos {
							break
						}
					}
					m.Close()
				}
			})
		}
	}
}

// Every token that the mask allows is accepted, each tried on a fresh matcher.
func TestEveryAllowedTokenIsAccepted(t *testing.T) {
	v := zoo(t)
	g := compile(t, v, Spec{Kind: JSONObject})
	for _, prefix := range []string{"", `{`, `{"`, `{"a": "東`, `{"a":[1`} {
		m := g.newMatcher()
		accept(t, v, m, prefix)
		ids := masks(t, m)
		m.Close()
		for _, id := range ids {
			m := g.newMatcher()
			accept(t, v, m, prefix)
			require.NoError(t, m.Accept(id), "%q, then %q", prefix, v.Tokenizer.Name(id))
			m.Close()
		}
	}
}

// The space before the first word is not shown, so a token with one isn't what
// it seems there.
func TestTheFirstTokenMeansWhatIsShown(t *testing.T) {
	v := sentencePiece(t)
	word, _ := v.Tokenizer.TokenID("▁a")
	bare, _ := v.Tokenizer.TokenID("a")
	m := compile(t, v, Spec{Kind: Regex, Text: `[ a]+`}).newMatcher()
	defer m.Close()
	require.NotContains(t, masks(t, m), word)
	require.Error(t, m.Accept(word))
	require.NoError(t, m.Accept(bare))
	require.Contains(t, masks(t, m), word)
	require.NoError(t, m.Accept(word))

	_, err := NewCompiler(Limits{}).Compile(v, Spec{Kind: Regex, Text: ` a`})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, "vocabulary")
}

func TestWhatTheVocabularyLacksIsAnError(t *testing.T) {
	vocab := withSpecials()
	vocab["a"], vocab["b"] = len(vocab), len(vocab)+1
	v := fromFile(t, tokenizerFile(vocab, object{"type": "Fuse"}))
	_, err := NewCompiler(Limits{}).Compile(v, Spec{Kind: Regex, Text: "日"})
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	m := compile(t, v, Spec{Kind: Regex, Text: "a日"}).newMatcher()
	defer m.Close()
	require.NoError(t, m.Accept(v.Tokenizer.Encode("a", false)[0]))
	_, err = m.Mask()
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	require.False(t, m.Stopped(), "an error is no end")
}

func TestAClosedMatcherSaysSo(t *testing.T) {
	m := compile(t, zoo(t), Spec{Kind: JSONObject}).newMatcher()
	m.Close()
	m.Close()
	_, err := m.Mask()
	require.ErrorIs(t, err, errClosed)
	require.ErrorIs(t, m.Accept(5), errClosed)
	require.False(t, m.Stopped())
}

func TestOneGrammarServesManySequences(t *testing.T) {
	v, c := zoo(t), NewCompiler(Limits{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			g, err := c.Compile(v, Spec{Kind: JSONSchema, Text: schemas["a person"]})
			if err != nil {
				t.Error(err)
				return
			}
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range 10 {
				walk(t, v, g, random)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, c.grammars.Len())
	require.Equal(t, 1, c.vocabularies.Len())
}

// Native memory is given back by Close, and by the garbage collector for who
// forgets.
func TestNothingLeaks(t *testing.T) {
	v := zoo(t)
	c := NewCompiler(Limits{Grammars: 2, Vocabularies: 1})
	round := func(n int, closing bool) {
		for i := range n {
			g, err := c.Compile(v, Spec{Kind: Regex, Text: fmt.Sprintf("[0-9a-z日]{1,%d}", 1+i%50)})
			require.NoError(t, err)
			m := g.newMatcher()
			masks(t, m)
			accept(t, v, m, "3")
			if closing {
				m.Close()
			}
			if i%200 == 0 {
				runtime.GC()
			}
		}
		runtime.GC()
		runtime.GC()
	}
	round(500, true)
	round(500, false)
	before := resident(t)
	for range 4 {
		round(1000, true)
		round(500, false)
	}
	require.Less(t, resident(t)-before, 48<<20)
	v.EOS = nil
	for i := range 200 { // vocabularies too
		v.Rows = 700 + i
		_, err := c.Compile(v, ChoiceOf("a"))
		require.NoError(t, err)
	}
	runtime.GC()
	require.Less(t, resident(t)-before, 96<<20)
}
