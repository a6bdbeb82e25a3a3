package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// maxFile is the largest file that is read.
const maxFile = 1 << 20

// File is a file that was read: keys, and their values as flags have them.
type File struct {
	path    string
	entries map[string]entry
}

type entry struct {
	text string
	line int
}

// Read reads the file at path. Its keys are the names of known, and nothing else:
// what nobody reads is a mistake that somebody made.
func Read(path string, known *pflag.FlagSet) (*File, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, entries: map[string]entry{}}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, f.syntax(err)
	}
	switch {
	case len(tree.Docs) > 1:
		return nil, fmt.Errorf("%s holds %d documents: one is wanted", path, len(tree.Docs))
	case len(tree.Docs) == 0 || tree.Docs[0].Body == nil || tree.Docs[0].Body.Type() == ast.CommentType:
		return f, nil
	}
	switch body := tree.Docs[0].Body.(type) {
	case *ast.MappingNode:
		for _, pair := range body.Values {
			if err := f.add(pair, known); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode:
		return f, f.add(body, known)
	case *ast.NullNode:
	default:
		return nil, fmt.Errorf("%s is no list of settings, each as \"key: value\"", path)
	}
	return f, nil
}

func readBounded(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration file: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the configuration file %s is over %d bytes", path, maxFile)
	}
	return data, nil
}

// at names a line of the file.
func (f *File) at(line int) string { return fmt.Sprintf("%s:%d", f.path, line) }

// entry gives the value of a key. A nil File has none.
func (f *File) entry(key string) (entry, bool) {
	if f == nil {
		return entry{}, false
	}
	e, ok := f.entries[key]
	return e, ok
}

// syntax says in one line where the file is no YAML.
func (f *File) syntax(err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return fmt.Errorf("%s: %s", f.at(y.GetToken().Position.Line), y.GetMessage())
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// add takes one key with its value.
func (f *File) add(pair *ast.MappingValueNode, known *pflag.FlagSet) error {
	key, line := pair.Key.GetToken().Value, pair.Key.GetToken().Position.Line
	if flag := known.Lookup(key); flag == nil || !isSetting(flag) {
		return fmt.Errorf("%s: there is no setting %q%s", f.at(line), key, nearest(key, known))
	}
	text, err := flatten(pair.Value)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", f.at(line), key, err)
	}
	f.entries[key] = entry{text: text, line: line}
	return nil
}

// flatten gives a value as it would be given to a flag: a scalar as it is, a list
// of scalars separated by commas, anything else as JSON, for flags that read it.
func flatten(node ast.Node) (string, error) {
	if node.Type() == ast.NullType {
		return "", errors.New("it has no value: leave the line out if the default is meant")
	}
	if text, ok := scalar(node); ok {
		return text, nil
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		parts := make([]string, len(list.Values))
		plain := true
		for i, item := range list.Values {
			text, ok := scalar(item)
			plain = plain && ok
			if ok && strings.Contains(text, ",") {
				return "", fmt.Errorf("%q has a comma, which separates the parts of a list", text)
			}
			parts[i] = text
		}
		if plain {
			return strings.Join(parts, ","), nil
		}
	}
	var value any
	if err := yaml.NodeToValue(node, &value); err != nil {
		return "", errors.New("the value can't be read")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "", errors.New("the value can't be read")
	}
	return string(text), nil
}

// scalar is the text of a value that is one word, number or text.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// nearest suggests the setting that was probably meant.
func nearest(key string, known *pflag.FlagSet) string {
	best, distance := "", 1+max(2, len(key)/3)
	known.VisitAll(func(flag *pflag.Flag) {
		if d := levenshtein.ComputeDistance(strings.ToLower(key), flag.Name); isSetting(flag) && d < distance {
			best, distance = flag.Name, d
		}
	})
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
