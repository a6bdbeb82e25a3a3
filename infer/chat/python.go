package chat

import (
	"errors"
	"strings"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	source "github.com/nikolalohinski/gonja/v2/tokens"
)

// list is a list that counts from its end as Python's do. gonja's own have no
// [-n] where n is their length, so that messages[-1] of one message is nothing.
type list []any

// GetItem implements exec.ItemGetter.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if ok && i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.AsValue(l[i]), true
}

// listOf is the filter "list", which gives such a list.
func listOf(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	builtin, _ := builtins.Filters.Get("list")
	out := builtin(e, in, params)
	if out.IsError() || !out.IsList() {
		return out
	}
	items := list{}
	out.Iterate(func(_, _ int, item, _ *exec.Value) bool {
		items = append(items, item.Interface())
		return true
	}, func() {})
	return exec.AsValue(items)
}

// stringMethods are gonja's, with those in their place whose default arguments
// it gets wrong: a strip of spaces only, a replace that wants a count.
func stringMethods() *exec.MethodSet[string] {
	methods := map[string]exec.Method[string]{}
	for _, name := range []string{
		"capitalize", "capwords", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map",
		"isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper",
		"join", "ljust", "lower", "partition", "removeprefix", "removesuffix", "rfind", "rjust", "rpartition", "splitlines",
		"startswith", "swapcase", "title", "upper", "zfill",
	} {
		if method, ok := builtins.Methods.Str.Get(name); ok {
			methods[name] = method
		}
	}
	methods["strip"] = stripping(func(s string, cut func(rune) bool) string { return strings.TrimFunc(s, cut) })
	methods["lstrip"] = stripping(func(s string, cut func(rune) bool) string { return strings.TrimLeftFunc(s, cut) })
	methods["rstrip"] = stripping(func(s string, cut func(rune) bool) string { return strings.TrimRightFunc(s, cut) })
	methods["split"] = splitting(strings.SplitN)
	methods["rsplit"] = splitting(splitFromEnd)
	methods["replace"] = replace
	return exec.NewMethodSet(methods)
}

// stripping is strip([characters]).
func stripping(trim func(string, func(rune) bool) string) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		switch {
		case len(args.Args) > 1 || len(args.KwArgs) > 0 || len(args.Args) == 1 && !args.Args[0].IsString():
			return nil, errors.New("strip: one text of characters is wanted, or nothing")
		case len(args.Args) == 0:
			return trim(self, unicode.IsSpace), nil
		}
		set := args.Args[0].String()
		return trim(self, func(r rune) bool { return strings.ContainsRune(set, r) }), nil
	}
}

// splitting is split([separator[, most]]).
func splitting(split func(s, separator string, n int) []string) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		most := -1
		switch a := args.Args; {
		case len(args.KwArgs) > 0 || len(a) > 2 || len(a) > 0 && (!a[0].IsString() || a[0].String() == "") || len(a) == 2 && !a[1].IsInteger():
			return nil, errors.New("split: a separator and a number are wanted, or nothing")
		case len(a) == 0:
			return asList(strings.Fields(self)), nil
		case len(a) == 2:
			most = a[1].Integer()
		}
		if most >= 0 {
			most++ // Python counts the cuts, Go the parts
		}
		return asList(split(self, args.Args[0].String(), most)), nil
	}
}

// splitFromEnd is strings.SplitN with the rest in the first part.
func splitFromEnd(s, separator string, n int) []string {
	parts := strings.Split(s, separator)
	if n <= 0 || len(parts) <= n {
		return parts
	}
	first := len(parts) - n + 1
	return append([]string{strings.Join(parts[:first], separator)}, parts[first:]...)
}

func asList(parts []string) list {
	out := make(list, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

// replace is replace(old, new[, most]).
func replace(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	a := args.Args
	if len(args.KwArgs) > 0 || len(a) < 2 || len(a) > 3 || !a[0].IsString() || !a[1].IsString() || len(a) == 3 && !a[2].IsInteger() {
		return nil, errors.New("replace: two texts are wanted, and perhaps a number")
	}
	most := -1
	if len(a) == 3 {
		most = a[2].Integer()
	}
	return strings.Replace(self, a[0].String(), a[1].String(), most), nil
}

// generation is transformers' {% generation %}: it marks what a model wrote, for
// training, and changes nothing.
type generation struct {
	location *source.Token
	body     *nodes.Wrapper
}

// Position implements nodes.Node.
func (g *generation) Position() *source.Token { return g.location }

// String implements nodes.Node.
func (g *generation) String() string { return "generation" }

// Execute implements exec.ControlStructure.
func (g *generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.Inherit().ExecuteWrapper(g.body)
}

func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	g := &generation{location: p.Current()}
	body, end, err := p.WrapUntil("endgeneration")
	if err != nil {
		return nil, err
	}
	if !args.End() || !end.End() {
		return nil, errors.New("generation takes no arguments")
	}
	g.body = body
	return g, nil
}
