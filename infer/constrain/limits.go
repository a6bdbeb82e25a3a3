package constrain

// Limits are the bounds on what a caller may ask for, and on the work and the
// memory that it can cost. A field that is 0 has its default.
type Limits struct {
	SchemaBytes int // longest JSON schema, 65536
	SchemaDepth int // its deepest nesting of objects and lists, 64
	Properties  int // its properties together, 1000
	Counted     int // the same where minProperties or maxProperties counts some, 64
	Patterns    int // its patterns, patternProperties and formats together, 32
	Options     int // the options of its enum, anyOf and oneOf together, and the combinations of those that must hold at once, 1000
	CallSchemas int // functions of one grammar have as many properties, patterns and options together as so many schemas may, 4
	MultipleOf  int // least common multiple of a schema's multipleOf, without its zeros at the end, 10000
	RegexBytes  int // longest regular expression, a schema's patterns included, 4096
	Choices     int // strings to choose from, 1024
	ChoiceBytes int // their length together, 65536
	Whitespace  int // spaces and line breaks in a row between two parts of JSON, 64; -1: none

	CompileFuel int // work of compiling, at some 50,000 a millisecond, 500,000
	GrammarSize int // symbols of a compiled grammar, 50,000
	StepFuel    int // work of one mask, at some 14,000 a millisecond, 200,000
	StepItems   int // parser items of one mask, at some 20,000 a millisecond, 50,000
	RowItems    int // parser items at one place of a text: how ambiguous a grammar may be, 2000
	LexerStates int // states of a sequence's automaton, 1 to 2 kB each, 50,000

	Grammars     int // compiled grammars that are kept, 64
	Vocabularies int // models' vocabularies that are kept, some 70 MB each for 128,000 tokens, 4
}

// DefaultLimits are the limits where nothing else is said.
func DefaultLimits() Limits { return Limits{}.orDefault() }

func (l Limits) orDefault() Limits {
	for _, field := range []struct {
		value *int
		or    int
	}{
		{&l.SchemaBytes, 64 << 10},
		{&l.SchemaDepth, 64},
		{&l.Properties, 1000},
		{&l.Counted, 64},
		{&l.Patterns, 32},
		{&l.Options, 1000},
		{&l.CallSchemas, 4},
		{&l.MultipleOf, 10_000},
		{&l.RegexBytes, 4 << 10},
		{&l.Choices, 1 << 10},
		{&l.ChoiceBytes, 64 << 10},
		{&l.Whitespace, 64},
		{&l.CompileFuel, 500_000},
		{&l.GrammarSize, 50_000},
		{&l.StepFuel, 200_000},
		{&l.StepItems, 50_000},
		{&l.RowItems, 2000},
		{&l.LexerStates, 50_000},
		{&l.Grammars, 64},
		{&l.Vocabularies, 4},
	} {
		if *field.value == 0 {
			*field.value = field.or
		}
	}
	return l
}
