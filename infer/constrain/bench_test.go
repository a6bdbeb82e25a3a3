package constrain

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchmarks are what replies are mostly constrained to, and how they begin.
var benchmarks = map[string]struct {
	spec  Spec
	begin string
}{
	"object at its start":  {Spec{Kind: JSONObject}, ``},
	"object within a text": {Spec{Kind: JSONObject}, `{"答え":"りんご`},
	"schema within a name": {Spec{Kind: JSONSchema, Text: schemas["a person"]}, `{"na`},
	"schema within a text": {Spec{Kind: JSONSchema, Text: schemas["a person"]}, `{"name":"太郎`},
	"regex":                {Spec{Kind: Regex, Text: `\d{3}-\d{4}`}, `12`},
	"choice":               {ChoiceOf("はい", "いいえ"), ``},
}

// BenchmarkMask takes one token's mask with the shipped tokenizer, on a matcher
// that has computed none: a second mask of the same place is only copied.
func BenchmarkMask(b *testing.B) {
	v := zoo(b)
	for name, c := range benchmarks {
		b.Run(name, func(b *testing.B) {
			g := compile(b, v, c.spec)
			for range b.N {
				b.StopTimer()
				m := g.newMatcher()
				accept(b, v, m, c.begin)
				b.StartTimer()
				if _, err := m.Mask(); err != nil {
					b.Fatal(err)
				}
				m.Close()
			}
		})
	}
}

// BenchmarkToken takes a whole step: the mask and its token.
func BenchmarkToken(b *testing.B) {
	v := zoo(b)
	g := compile(b, v, Spec{Kind: JSONObject})
	ids := v.Tokenizer.Encode(`{"名前":"太郎","年":[12,34.5],"ok":true}`, false)
	for b.Loop() {
		m := g.newMatcher()
		for _, id := range ids {
			if _, err := m.Mask(); err != nil {
				b.Fatal(err)
			}
			if err := m.Accept(id); err != nil {
				b.Fatal(err)
			}
		}
		m.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ids)), "ns/token")
}

func BenchmarkCompile(b *testing.B) {
	v := zoo(b)
	c := NewCompiler(Limits{Grammars: 1})
	for i := 0; b.Loop(); i++ {
		_, err := c.Compile(v, Spec{Kind: JSONSchema, Text: schemas["a person"] + fmt.Sprintf("%*s", i%100, "")})
		require.NoError(b, err)
	}
}

func BenchmarkNewMatcher(b *testing.B) {
	g := compile(b, zoo(b), Spec{Kind: JSONSchema, Text: schemas["a person"]})
	for b.Loop() {
		g.newMatcher().Close()
	}
}
