package chat

import (
	"errors"
	"maps"
	"slices"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// dict makes what templates know as a dictionary, with its keys in this order.
// gonja takes an ordered one for true even if it is empty; a map it does not.
func dict(pairs []*exec.Pair) any {
	if len(pairs) == 0 {
		return map[string]any{}
	}
	return &exec.Dict{Pairs: pairs}
}

// pair is an entry of a dict.
func pair(key string, value any) *exec.Pair {
	return &exec.Pair{Key: exec.AsValue(key), Value: exec.AsValue(value)}
}

// dictMethods are gonja's, which give keys in the alphabet's order, with those in
// their place that give them in the dictionary's.
func dictMethods() *exec.MethodSet[map[string]any] {
	methods := map[string]exec.Method[map[string]any]{}
	for _, name := range []string{"pop", "setdefault", "update", "copy", "clear"} {
		if method, ok := builtins.Methods.Dict.Get(name); ok {
			methods[name] = method
		}
	}
	methods["items"] = listing("items", func(key, value any) any { return list{key, value} })
	methods["keys"] = listing("keys", func(key, _ any) any { return key })
	methods["values"] = listing("values", func(_, value any) any { return value })
	methods["get"] = get
	return exec.NewMethodSet(methods)
}

// listing is a method that lists something of each entry.
func listing(name string, of func(key, value any) any) exec.Method[map[string]any] {
	return func(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) > 0 || len(args.KwArgs) > 0 {
			return nil, errors.New(name + ": nothing is wanted in the brackets")
		}
		return entries(self, of), nil
	}
}

func entries(v *exec.Value, of func(key, value any) any) list {
	out := list{}
	v.Iterate(func(_, _ int, key, value *exec.Value) bool {
		out = append(out, of(key.Interface(), value.Interface()))
		return true
	}, func() {})
	return out
}

// get is get(key[, otherwise]).
func get(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
	if len(args.KwArgs) > 0 || len(args.Args) < 1 || len(args.Args) > 2 {
		return nil, errors.New("get: a key is wanted, and perhaps what is given without it")
	}
	if value, found := self.GetItem(args.Args[0].Interface()); found {
		return value.Interface(), nil
	}
	if len(args.Args) == 2 {
		return args.Args[1].Interface(), nil
	}
	return nil, nil
}

// newDict is dict([other, ]name=value, …). The engine doesn't keep the order of
// names; let it at least be always the same.
func newDict(args *exec.VarArgs) (any, error) {
	var pairs []*exec.Pair
	for _, arg := range args.Args {
		if len(args.Args) > 1 || !arg.IsDict() {
			return nil, errors.New("dict: one dictionary is wanted, or names with values")
		}
		arg.Iterate(func(_, _ int, key, value *exec.Value) bool {
			if _, given := args.KwArgs[key.String()]; !given {
				pairs = append(pairs, &exec.Pair{Key: key, Value: value})
			}
			return true
		}, func() {})
	}
	for _, name := range slices.Sorted(maps.Keys(args.KwArgs)) {
		pairs = append(pairs, &exec.Pair{Key: exec.AsValue(name), Value: args.KwArgs[name]})
	}
	return dict(pairs), nil
}

// items is the filter of that name.
func items(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	switch {
	case in.IsError():
		return in
	case in.IsNil():
		return exec.AsValue(list{})
	case !in.IsDict():
		return exec.AsValue(errors.New("items: a dictionary is wanted"))
	}
	return exec.AsValue(entries(in, func(key, value any) any { return list{key, value} }))
}
