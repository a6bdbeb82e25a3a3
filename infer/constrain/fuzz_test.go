package constrain

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mergeway/mergeway/fault"
)

// Whatever a caller writes, Compile and the masks of what it lets through end,
// and in a fault at worst.
func FuzzCompile(f *testing.F) {
	for _, text := range schemas {
		f.Add("json_schema", text)
	}
	for _, text := range regexes {
		f.Add("regex", text)
	}
	for _, c := range [][2]string{
		{"choice", `["a","ab"]`}, {"json_object", ""}, {"regex", strings.Repeat("(", 300)}, {"regex", "(((a{100}){100}){100}){100}"},
		{"regex", "(a?){1000}a{1000}"}, {"regex", ".*.*.*.*b{3,}[^a-z]{2,500}"}, {"json_schema", `{"minItems":4000000000,"type":"array"}`},
		{"json_schema", `{"maxLength":4294967296,"type":"string"}`}, {"json_schema", `{"minLength":100000,"type":"string"}`},
		{"json_schema", `{"multipleOf":0.0000001,"type":"number"}`}, {"json_schema", `{"multipleOf":9999991,"type":"integer"}`},
		{"json_schema", `{"a":1,"x-guidance":1}`}, {"regex", `a\/b/i`}, {"regex", "//"}, {"regex", "a/ | /b"}, {"json_schema", `{"allOf":[{"$ref":"#"}]}`},
		{"json_schema", `{"$ref":"#"}`}, {"json_schema", `{"anyOf":[{"$ref":"#"},{"type":"null"}]}`}, {"json_schema", `{"type":"string","pattern":"(a|b)*c{50}"}`},
	} {
		f.Add(c[0], c[1])
	}
	v := zoo(f)
	compiler := NewCompiler(Limits{SchemaBytes: 2000, CompileFuel: 100_000, StepFuel: 50_000, GrammarSize: 20_000, Grammars: 4})
	f.Fuzz(func(t *testing.T, kind, text string) {
		g, err := compiler.Compile(v, Spec{Kind: Kind(kind), Text: text})
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid || strings.Contains(err.Error(), "\n") && !strings.Contains(text, "n") {
				t.Fatalf("%s %q: %v", kind, text, err)
			}
			return
		}
		m := g.newMatcher()
		defer m.Close()
		random := rand.New(rand.NewPCG(1, 1))
		for range 20 {
			mask, err := m.Mask()
			if err != nil {
				if fault.CodeOf(err) == fault.Internal {
					t.Fatalf("%s %q: %v", kind, text, err)
				}
				return
			}
			ids := allowedIDs(mask)
			if len(ids) == 0 || m.Stopped() {
				return
			}
			id := ids[random.IntN(len(ids))]
			if err := m.Accept(id); err != nil && fault.CodeOf(err) != fault.TooLarge {
				t.Fatalf("%s %q: token %d: %v", kind, text, id, err)
			}
		}
	})
}
