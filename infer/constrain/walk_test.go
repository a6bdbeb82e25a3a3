package constrain

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

const walks = 60

func TestJSONModeWritesObjects(t *testing.T) {
	for name, v := range vocabularies(t) {
		t.Run(name, func(t *testing.T) {
			g, err := NewCompiler(Limits{}).Compile(v, Spec{Kind: JSONObject})
			require.NoError(t, err)
			random := rand.New(rand.NewPCG(1, 2))
			for range walks {
				text := walk(t, v, g, random)
				require.True(t, strings.HasPrefix(text, "{"), "%q", text)
				require.True(t, json.Valid([]byte(text)), "%q", text)
			}
		})
	}
}

// schemas are valid for some JSON each, and use every keyword that is kept.
var schemas = map[string]string{
	"anything":   `true`,
	"no keyword": ` { } `,
	"a person": `{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":8},"age":{"type":"integer","minimum":0,"maximum":130}},
		"required":["name","age"],"additionalProperties":false}`,
	"optional ones":  `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"c":{"type":"null"}},"additionalProperties":{"type":"boolean"}}`,
	"integers":       `{"type":"integer","minimum":-12,"exclusiveMaximum":345}`,
	"numbers":        `{"type":"number","minimum":-1.5,"maximum":2.25}`,
	"multiples":      `{"type":"integer","multipleOf":12,"minimum":0,"maximum":1000}`,
	"fractions":      `{"type":"number","multipleOf":0.25,"minimum":-2,"maximum":2}`,
	"shared ones":    `{"type":"number","allOf":[{"multipleOf":0.3},{"multipleOf":7}],"minimum":0,"maximum":100}`,
	"a list":         `{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":5}`,
	"a tuple":        `{"type":"array","prefixItems":[{"type":"integer"},{"type":"string","maxLength":3}],"items":false,"minItems":2}`,
	"an older tuple": `{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":[{"type":"integer"},{"type":"null"}],"additionalItems":false,"minItems":2}`,
	"enum":           `{"enum":["はい","いいえ",1,null,true,["a"],{"k":2}]}`,
	"const":          `{"const":{"a":[1,"東京",false]}}`,
	"a pattern":      `{"type":"string","pattern":"^\\d{3}-\\d{4}$"}`,
	"part of it":     `{"type":"string","pattern":"日|本$","maxLength":6}`,
	"alternatives":   `{"type":"string","pattern":"^ab|12$","maxLength":6}`,
	"a date":         `{"type":"string","format":"date"}`,
	"an hour":        `{"type":"string","format":"duration"}`,
	"an address":     `{"type":"string","format":"ipv4"}`,
	"a UUID":         `{"type":"string","format":"uuid"}`,
	"anyOf":          `{"anyOf":[{"type":"integer"},{"type":"object","properties":{"a":{"const":1}},"required":["a"]}]}`,
	"oneOf":          `{"oneOf":[{"type":"integer"},{"type":"string","maxLength":4}]}`,
	"allOf":          `{"allOf":[{"type":"integer","minimum":3},{"maximum":9}]}`,
	"by name":        `{"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/node"}`,
	"of itself":      `{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"},"maxItems":2}},"additionalProperties":false}`,
	"some names":     `{"type":"object","patternProperties":{"^[ab]+$":{"type":"integer"}},"additionalProperties":false,"minProperties":1,"maxProperties":3}`,
	"types":          `{"type":["boolean","null","integer"],"maximum":5}`,
	"no type":        `{"minLength":2,"maxLength":4,"minimum":1}`,
	"notes":          `{"$id":"urn:x","$comment":"c","title":"T","description":"D","default":1,"examples":[1],"readOnly":true,"writeOnly":false,"deprecated":true,"type":"boolean"}`,
	"japanese names": `{"type":"object","properties":{"名前":{"type":"string","maxLength":5},"都市":{"enum":["東京","大阪"]}},"required":["名前","都市"],"additionalProperties":false}`,
	"escaped names":  `{"type":"object","properties":{"a\"b":{"const":1},"c\\d\n":{"const":2}},"required":["a\"b","c\\d\n"],"additionalProperties":false}`,
	// A property under another spelling would be free of its schema.
	"nothing else by its name": `{"type":"object","properties":{"a":{"const":1}},"required":["a"],"additionalProperties":{"type":"boolean"}}`,
}

func TestSchemasAreKept(t *testing.T) {
	for kind, v := range vocabularies(t) {
		c := NewCompiler(Limits{})
		for name, schema := range schemas {
			t.Run(kind+"/"+name, func(t *testing.T) {
				parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
				require.NoError(t, err)
				compiler := jsonschema.NewCompiler()
				compiler.AssertFormat()
				require.NoError(t, compiler.AddResource("schema.json", parsed))
				validator, err := compiler.Compile("schema.json")
				require.NoError(t, err)

				g, err := c.Compile(v, Spec{Kind: JSONSchema, Text: schema})
				require.NoError(t, err)
				random := rand.New(rand.NewPCG(3, 4))
				for range walks {
					text := walk(t, v, g, random)
					value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
					require.NoError(t, err, "%q", text)
					require.NoError(t, validator.Validate(value), "%q", text)
				}
			})
		}
	}
}

var regexes = []string{
	`a`, `a*`, `[0-9]{3}-[0-9]{4}`, `\d+`, `\w{1,5}`, `\s\S\D\W`, `[\d\-x]+`, `[^\d]{2}`, `日本+`, `[ぁ-ん]{1,4}。`, `(yes|no|はい)`, `(?i)yes`, `^ab$`,
	`^(a|b)c?$`, `a/b//c`, `"[^"]*"`, `\{"name":"\w+"\}`, `.{2,3}`, `(?s:.){1,2}`, "a\nb\tc", `\x61\x{65E5}`, `\p{Han}{2}`, `a\\`, `(?P<x>a)(?:b)?`, `#a b`,
	`[[:alpha:]]+`, `(a|ab)(c|bcd)`, `a a`, ` *a`, `(?:)|a`,
}

func TestRegularExpressionsAreKept(t *testing.T) {
	for kind, v := range vocabularies(t) {
		c := NewCompiler(Limits{})
		for _, text := range regexes {
			t.Run(kind+"/"+text, func(t *testing.T) {
				matches := regexp.MustCompile(`^(?:` + text + `)$`)
				g, err := c.Compile(v, Spec{Kind: Regex, Text: text})
				require.NoError(t, err)
				random := rand.New(rand.NewPCG(5, 6))
				for range walks {
					got := walk(t, v, g, random)
					require.Regexp(t, matches, got)
				}
			})
		}
	}
}

func TestChoicesAreKept(t *testing.T) {
	options := []string{"yes", "no", "yes and no", "日本", "東京は日本です。", "a.b", "(", `\`, "a\nb", "/", "//", "a  a", "{}", "\u2028"}
	for kind, v := range vocabularies(t) {
		t.Run(kind, func(t *testing.T) {
			g, err := NewCompiler(Limits{}).Compile(v, ChoiceOf(options...))
			require.NoError(t, err)
			random, seen := rand.New(rand.NewPCG(7, 8)), map[string]bool{}
			for range 40 * walks {
				got := walk(t, v, g, random)
				require.Contains(t, options, got)
				seen[got] = true
			}
			require.Len(t, seen, len(options), "%v", seen)
		})
	}
}
