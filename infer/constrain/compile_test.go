package constrain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestTheLibraryIsTheOneDeclared(t *testing.T) {
	require.True(t, strings.HasPrefix(libraryVersion(), "llguidance@1.9.1 "), "%s: compare native.h with its llguidance.h", libraryVersion())
}

// What can't be kept is refused, and the message names it.
func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 70) + "{}" + strings.Repeat("}", 70)
	for name, c := range map[string]struct {
		spec Spec
		says string
	}{
		"a kind of its own":              {Spec{Kind: "lark", Text: "start: /a/"}, "lark"},
		"no kind":                        {Spec{}, "no kind"},
		"an object with a text":          {Spec{Kind: JSONObject, Text: "{}"}, "nothing beside"},
		"no schema":                      {Spec{Kind: JSONSchema}, "not JSON"},
		"half a schema":                  {Spec{Kind: JSONSchema, Text: `{"type":`}, "not JSON"},
		"two schemas":                    {Spec{Kind: JSONSchema, Text: `{} {}`}, "more than one"},
		"a list":                         {Spec{Kind: JSONSchema, Text: `[]`}, "object or a boolean"},
		"a schema that is not UTF-8":     {Spec{Kind: JSONSchema, Text: "{\"const\":\"\xff\"}"}, "UTF-8"},
		"nothing is valid":               {Spec{Kind: JSONSchema, Text: `false`}, "false"},
		"nesting":                        {Spec{Kind: JSONSchema, Text: deep}, "deeper than 64"},
		"not":                            {Spec{Kind: JSONSchema, Text: `{"not":{}}`}, `"not"`},
		"if":                             {Spec{Kind: JSONSchema, Text: `{"if":{},"then":{}}`}, `"if"`},
		"uniqueItems":                    {Spec{Kind: JSONSchema, Text: `{"type":"array","uniqueItems":true}`}, `"uniqueItems"`},
		"contains":                       {Spec{Kind: JSONSchema, Text: `{"contains":{}}`}, `"contains"`},
		"dependentRequired":              {Spec{Kind: JSONSchema, Text: `{"dependentRequired":{}}`}, `"dependentRequired"`},
		"a keyword of nobody's":          {Spec{Kind: JSONSchema, Text: `{"type":"integer","minimun":3}`}, `"minimun"`},
		"deep within":                    {Spec{Kind: JSONSchema, Text: `{"properties":{"a":{"items":[true,{"not":{}}]}}}`}, `#/properties/a/items/1: the keyword "not"`},
		"in a definition":                {Spec{Kind: JSONSchema, Text: `{"$defs":{"a":{"propertyNames":{}}}}`}, "propertyNames"},
		"the library's own options":      {Spec{Kind: JSONSchema, Text: `{"x-guidance":{"lenient":true}}`}, "x-guidance"},
		"an unknown format":              {Spec{Kind: JSONSchema, Text: `{"type":"string","format":"iri"}`}, "iri"},
		"a format of numbers":            {Spec{Kind: JSONSchema, Text: `{"type":"integer","format":"int32"}`}, "int32"},
		"the format that is any":         {Spec{Kind: JSONSchema, Text: `{"type":"string","format":"unknown"}`}, "format"},
		"an unknown type":                {Spec{Kind: JSONSchema, Text: `{"type":"float"}`}, "float"},
		"an unknown draft":               {Spec{Kind: JSONSchema, Text: `{"$schema":"urn:draft-99"}`}, "draft-99"},
		"a draft within":                 {Spec{Kind: JSONSchema, Text: `{"items":{"$schema":"http://json-schema.org/draft-07/schema#"}}`}, "root only"},
		"an id within":                   {Spec{Kind: JSONSchema, Text: `{"items":{"$id":"x"}}`}, "$id"},
		"another document":               {Spec{Kind: JSONSchema, Text: `{"$ref":"http://example.com/a.json"}`}, "example.com"},
		"an anchor":                      {Spec{Kind: JSONSchema, Text: `{"$ref":"#a"}`}, "#a"},
		"a name that is missing":         {Spec{Kind: JSONSchema, Text: `{"$ref":"#/$defs/a"}`}, "#/$defs/a"},
		"a reference to no schema":       {Spec{Kind: JSONSchema, Text: `{"default":{"not":{}},"$ref":"#/default"}`}, "#/default"},
		"an escaped reference":           {Spec{Kind: JSONSchema, Text: `{"$defs":{"a/b":{}},"$ref":"#/$defs/a~1b"}`}, "a~1b"},
		"oneOf that overlaps":            {Spec{Kind: JSONSchema, Text: `{"oneOf":[{"type":"integer"},{"type":"integer","minimum":3}]}`}, "oneOf"},
		"an integer too large":           {Spec{Kind: JSONSchema, Text: `{"const":9007199254740993}`}, "9007199254740993"},
		"a number too large":             {Spec{Kind: JSONSchema, Text: `{"enum":[{"a":1e999}]}`}, "1e999"},
		"a multiple of nothing":          {Spec{Kind: JSONSchema, Text: `{"multipleOf":0}`}, "multipleOf"},
		"a multiple of text":             {Spec{Kind: JSONSchema, Text: `{"multipleOf":"3"}`}, "multipleOf"},
		"a multiple too large":           {Spec{Kind: JSONSchema, Text: `{"multipleOf":1000000000}`}, "multipleOf"},
		"a multiple too fine":            {Spec{Kind: JSONSchema, Text: `{"multipleOf":0.000000001}`}, "multipleOf"},
		"multiples that are no friends":  {Spec{Kind: JSONSchema, Text: `{"allOf":[{"multipleOf":997},{"multipleOf":991}]}`}, "least common multiple"},
		"multiples of many digits":       {Spec{Kind: JSONSchema, Text: `{"allOf":[{"multipleOf":0.00000001},{"multipleOf":100000000}]}`}, "least common multiple"},
		"no length":                      {Spec{Kind: JSONSchema, Text: `{"type":"string","minLength":-1}`}, "minLength"},
		"bounds that exclude each other": {Spec{Kind: JSONSchema, Text: `{"type":"integer","minimum":3,"maximum":2}`}, "minimum"},
		"properties counted":             {Spec{Kind: JSONSchema, Text: `{"properties":{"a":{}},"maxProperties":3}`}, "maxProperties"},
		"two kinds of tuple":             {Spec{Kind: JSONSchema, Text: `{"prefixItems":[{}],"additionalItems":false}`}, "prefixItems"},
		"a pattern that looks ahead":     {Spec{Kind: JSONSchema, Text: `{"type":"string","pattern":"(?=a)b"}`}, "look"},
		"a pattern with an open end":     {Spec{Kind: JSONSchema, Text: `{"type":"string","pattern":"a\\"}`}, "backslash"},
		"a pattern for names like that":  {Spec{Kind: JSONSchema, Text: `{"patternProperties":{"a\\":true}}`}, "backslash"},
		"a pattern of its own meaning":   {Spec{Kind: JSONSchema, Text: `{"type":"string","pattern":"a(?P<stop>b)"}`}, "stop"},
		"patterns that overlap":          {Spec{Kind: JSONSchema, Text: `{"patternProperties":{"^a":true,"b$":true}}`}, "disjoint"},
		"no regex":                       {Spec{Kind: Regex}, "empty"},
		"an open bracket":                {Spec{Kind: Regex, Text: "(a"}, "unclosed"},
		"a look ahead":                   {Spec{Kind: Regex, Text: "(?=a)a"}, "look"},
		"a back reference":               {Spec{Kind: Regex, Text: `(a)\1`}, "backreference"},
		"a word's border":                {Spec{Kind: Regex, Text: `a\b`}, "look"},
		"an anchor in the middle":        {Spec{Kind: Regex, Text: `a^b`}, "look"},
		"a regex that is not UTF-8":      {Spec{Kind: Regex, Text: "\xff"}, "UTF-8"},
		"bytes of no character":          {Spec{Kind: Regex, Text: `(?-u:\xFF)`}, "UTF-8"},
		"a regex with NUL":               {Spec{Kind: Regex, Text: "a\x00b"}, "NUL"},
		"a regex with an open end":       {Spec{Kind: Regex, Text: `a\`}, "backslash"},
		"a group of its own meaning":     {Spec{Kind: Regex, Text: `a(?<stop>b)`}, "stop"},
		"a regex of nothing":             {Spec{Kind: Regex, Text: `[a&&b]`}, ""},
		"choices that are none":          {Spec{Kind: Choice, Text: "a"}, "list of strings"},
		"no choice":                      {ChoiceOf(), "0 choices"},
		"an empty choice":                {ChoiceOf("a", ""), "choice 2 is empty"},
		"a choice with NUL":              {ChoiceOf("a\x00"), "NUL"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCompiler(Limits{}).Compile(zoo(t), c.spec)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n", "no backtrace, no state")
		})
	}
}

func TestErrorsNameTheField(t *testing.T) {
	var f *fault.Error
	_, err := NewCompiler(Limits{}).Compile(zoo(t), Spec{Kind: Regex, Text: "("})
	require.ErrorAs(t, err, &f)
	require.Equal(t, "regex", f.Param)
	for _, text := range []string{"{", `{"not":{}}`, `{"type":"float"}`} {
		_, err = NewCompiler(Limits{}).Compile(zoo(t), Spec{Kind: JSONSchema, Text: text, Param: "response_format.json_schema"})
		require.ErrorAs(t, err, &f)
		require.Equal(t, "response_format.json_schema", f.Param)
	}
}

func TestModelsThatCannotBeConstrained(t *testing.T) {
	vocab := withSpecials()
	vocab["日"] = len(vocab)
	for name, c := range map[string]struct {
		v    Vocabulary
		code fault.Code
	}{
		"no tokenizer":           {Vocabulary{Rows: 3}, fault.Internal},
		"no rows":                {Vocabulary{Tokenizer: zoo(t).Tokenizer}, fault.Internal},
		"too many rows":          {Vocabulary{Tokenizer: zoo(t).Tokenizer, Rows: maxRows + 1}, fault.Internal},
		"only special rows":      {Vocabulary{Tokenizer: zoo(t).Tokenizer, Rows: 4}, fault.Invalid},
		"no token to compare by": {fromFile(t, tokenizerFile(vocab, object{"type": "Fuse"})), fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCompiler(Limits{}).Compile(c.v, Spec{Kind: JSONObject})
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
		})
	}
}

func TestEveryLimitHolds(t *testing.T) {
	schema := func(text string) Spec { return Spec{Kind: JSONSchema, Text: text} }
	regex := func(text string) Spec { return Spec{Kind: Regex, Text: text} }
	words := make([]string, 50)
	for i := range words {
		words[i] = fmt.Sprint("word", i)
	}
	for name, c := range map[string]struct {
		limits   Limits
		in, over Spec
	}{
		"SchemaBytes": {Limits{SchemaBytes: 20}, schema(`{"type":"boolean" }`), schema(`{"type":"boolean"   }`)},
		"SchemaDepth": {Limits{SchemaDepth: 3}, schema(`{"items":{"enum":[1]}}`), schema(`{"items":{"enum":[[1]]}}`)},
		"RegexBytes":  {Limits{RegexBytes: 3}, regex("abc"), regex("abcd")},
		"RegexBytes of a pattern": {Limits{RegexBytes: 3}, schema(`{"type":"string","pattern":"abc"}`),
			schema(`{"type":"string","pattern":"abcd"}`)},
		"RegexBytes of a name's pattern": {Limits{RegexBytes: 3}, schema(`{"patternProperties":{"abc":true}}`),
			schema(`{"patternProperties":{"abcd":true}}`)},
		"Properties": {Limits{Properties: 2}, schema(`{"properties":{"a":{"properties":{"b":{}}}}}`),
			schema(`{"properties":{"a":{"properties":{"b":{},"c":{}}}}}`)},
		"Counted": {Limits{Counted: 2}, schema(`{"minProperties":1,"properties":{"a":{},"b":{}},"required":["a","b"]}`),
			schema(`{"minProperties":1,"properties":{"a":{},"b":{},"c":{}},"required":["a","b","c"]}`)},
		"Patterns": {Limits{Patterns: 2}, schema(`{"prefixItems":[{"pattern":"a"},{"format":"date"}]}`),
			schema(`{"prefixItems":[{"pattern":"a"},{"format":"date"},{"patternProperties":{"a":{}}}]}`)},
		"Options": {Limits{Options: 3}, schema(`{"anyOf":[{"enum":["a"]},true]}`), schema(`{"anyOf":[{"enum":["a","b"]},true]}`)},
		"Options that meet": {Limits{Options: 4}, schema(`{"allOf":[{"enum":[1,2]},{"anyOf":[{"minimum":1},{"minimum":2}]}]}`),
			schema(`{"allOf":[{"enum":[1,2]},{"properties":{"x":{"enum":[1,2]}},"items":[{"enum":[1]}]}]}`)},
		"Options that meet by name": {Limits{Options: 8}, schema(`{"$defs":{"a":{"enum":[1,2]}},"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}`),
			schema(`{"$defs":{"a":{"enum":[1,2]}},"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}`)},
		"MultipleOf": {Limits{MultipleOf: 21}, schema(`{"allOf":[{"multipleOf":0.3},{"multipleOf":7000}]}`),
			schema(`{"allOf":[{"multipleOf":0.3},{"multipleOf":8000}]}`)},
		"CallSchemas":             {Limits{CallSchemas: 2, Properties: 2}, callsTo(2, `{"properties":{"a":{},"b":{}}}`), callsTo(3, `{"properties":{"a":{},"b":{}}}`)},
		"CallSchemas of options":  {Limits{CallSchemas: 1, Options: 2}, callsTo(2, `{"properties":{"a":{"enum":[1]}}}`), callsTo(3, `{"properties":{"a":{"enum":[1]}}}`)},
		"CallSchemas of patterns": {Limits{CallSchemas: 1, Patterns: 2}, callsTo(2, `{"properties":{"a":{"pattern":"a"}}}`), callsTo(3, `{"properties":{"a":{"pattern":"a"}}}`)},
		"Choices":                 {Limits{Choices: 2}, ChoiceOf("a", "b"), ChoiceOf("a", "b", "c")},
		"ChoiceBytes":             {Limits{ChoiceBytes: 4}, ChoiceOf("ab", "cd"), ChoiceOf("abc", "de")},
		"CompileFuel": {Limits{CompileFuel: 2000}, schema(`{"type":"boolean"}`), schema(
			`{"type":"object","properties":{"` + strings.Join(words, `":{"type":"string","pattern":"[a-f]+"},"`) + `":{"type":"array"}}}`)},
		"GrammarSize": {Limits{GrammarSize: 200}, schema(`{"type":"array","items":{"type":"integer"}}`), schema(
			`{"type":"object","properties":{"` + strings.Join(words, `":{"type":"array"},"`) + `":{"type":"array"}}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			compiler := NewCompiler(c.limits)
			_, err := compiler.Compile(zoo(t), c.in)
			require.NoError(t, err)
			_, err = compiler.Compile(zoo(t), c.over)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
		})
	}
}

func TestWhitespaceHasALimit(t *testing.T) {
	for limit, spaces := range map[int]int{-1: 0, 3: 3, 0: 64} {
		g, err := NewCompiler(Limits{Whitespace: limit}).Compile(zoo(t), Spec{Kind: JSONObject})
		require.NoError(t, err)
		v := zoo(t)
		m := g.newMatcher()
		defer m.Close()
		space, _ := v.Tokenizer.TokenID(" ")
		require.NoError(t, m.Accept(v.Tokenizer.Encode("{", false)[0]))
		for range spaces {
			require.NoError(t, m.Accept(space))
		}
		require.Error(t, m.Accept(space), "%d", limit)
		require.NoError(t, m.Accept(v.Tokenizer.Encode("}", false)[0]))
		require.True(t, m.Stopped(), "nothing follows the last brace")
	}
}

// A mask and a step have limits of their own: what a compiled grammar costs is
// known only where a text has come to.
func TestWorkOfOneStepHasALimit(t *testing.T) {
	states := Spec{Kind: Regex, Text: `(a|b|日)*[ab]{30}(c|d){20}`}
	for name, c := range map[string]struct {
		limits Limits
		spec   Spec
		begin  string
	}{
		"StepFuel":    {Limits{StepFuel: 20}, states, ""},
		"LexerStates": {Limits{LexerStates: 2}, states, ""},
		"StepItems":   {Limits{StepItems: 1}, Spec{Kind: JSONObject}, ""},
		"RowItems":    {Limits{RowItems: 5}, Spec{Kind: JSONSchema, Text: `{"type":["array","object"]}`}, "[1"},
	} {
		t.Run(name, func(t *testing.T) {
			v := zoo(t)
			g, err := NewCompiler(c.limits).Compile(v, c.spec)
			if c.begin == "" {
				require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v: it can't even begin", err)
				require.ErrorContains(t, err, "too complex")
				return
			}
			require.NoError(t, err)
			m := g.newMatcher()
			defer m.Close()
			for _, id := range v.Tokenizer.Encode(c.begin, false) {
				if err = m.Accept(id); err != nil {
					break
				}
			}
			require.Equal(t, fault.TooLarge, fault.CodeOf(err), "%v", err)
			_, err = m.Mask()
			require.Equal(t, fault.TooLarge, fault.CodeOf(err), "%v: and stays so", err)
			require.False(t, m.Stopped())
		})
	}
}

func TestDefaultLimitsAreAllSet(t *testing.T) {
	l := DefaultLimits()
	for _, n := range []int{
		l.SchemaBytes, l.SchemaDepth, l.Properties, l.Counted, l.Patterns, l.Options, l.CallSchemas, l.MultipleOf, l.RegexBytes, l.Choices, l.ChoiceBytes, l.Whitespace, l.CompileFuel, l.GrammarSize, l.StepFuel,
		l.StepItems, l.RowItems, l.LexerStates, l.Grammars, l.Vocabularies,
	} {
		require.Positive(t, n)
	}
	require.Equal(t, 7, Limits{Choices: 7}.orDefault().Choices)
}

// The deepest schema that is let through doesn't exhaust the native stack.
func TestTheDeepestSchemaCompiles(t *testing.T) {
	deep := DefaultLimits().SchemaDepth - 1
	for _, text := range []string{
		strings.Repeat(`{"items":`, deep) + "{}" + strings.Repeat("}", deep),
		strings.Repeat(`{"anyOf":[`, deep/2) + "{}" + strings.Repeat("]}", deep/2),
		strings.Repeat(`{"allOf":[{"type":"object"},`, deep/2) + "{}" + strings.Repeat("]}", deep/2),
		strings.Repeat(`{"properties":{"a":`, deep/2) + "{}" + strings.Repeat("}}", deep/2),
		`{"const":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}",
	} {
		_, err := NewCompiler(Limits{}).Compile(zoo(t), Spec{Kind: JSONSchema, Text: text})
		require.NoError(t, err, "%s", text)
	}
}
