package merge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mergeway/mergeway/fault"
)

// The limits of a recipe in YAML. The parser needs time that grows faster than
// nesting does, so that is bounded before it sees the text.
const (
	// MaxYAMLBytes is the longest recipe that [ParseYAML] reads.
	MaxYAMLBytes = 64 << 10

	maxYAMLBrackets = 4096   // opening ones
	maxYAMLDashes   = 16     // list marks at the beginning of one line
	maxYAMLDepth    = 32     // values within values
	maxYAMLValues   = 20_000 // in all, what aliases repeat included
)

// yamlNode is a value that knows where it stands.
type yamlNode struct {
	path string // "models[0].parameters.weight"; empty for the whole text
	line int

	scalar any // string, int64, uint64, float64, bool, or nil for null; meaningless in maps and lists
	isList bool
	list   []*yamlNode
	isMap  bool
	keys   []string // in order
	fields map[string]*yamlNode
}

// parseYAML reads the documents of a text, at least one. What it gives is of
// bounded size and depth.
func parseYAML(data []byte) (tops []*yamlNode, err error) {
	if err := checkYAML(data); err != nil {
		return nil, err
	}
	defer func() { // others' parser, on strangers' text
		if p := recover(); p != nil {
			tops, err = nil, fault.New(fault.Invalid, "this YAML can't be read: %v", p)
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			return nil, fault.New(fault.Invalid, "line %d: %s", y.GetToken().Position.Line, y.GetMessage())
		}
		return nil, fault.Wrap(err, fault.Invalid, "the recipe is not valid YAML")
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil, fault.New(fault.Invalid, "the recipe is empty")
	case len(docs) > MaxInputs+1:
		return nil, fault.New(fault.Invalid, "line %d: document %d begins: at most %d", lineOf(docs[MaxInputs+1].Body), MaxInputs+2, MaxInputs+1)
	}
	left := maxYAMLValues
	for i, doc := range docs {
		path := ""
		if len(docs) > 1 {
			path = fmt.Sprintf("documents[%d]", i)
		}
		c := yamlConverter{anchors: map[string]ast.Node{}, left: left}
		top, err := c.convert(doc.Body, path, 0)
		if err != nil {
			return nil, err
		}
		left = c.left
		tops = append(tops, top)
	}
	return tops, nil
}

// checkYAML refuses text that would take the parser too long.
func checkYAML(data []byte) error {
	if len(data) > MaxYAMLBytes {
		return fault.New(fault.TooLarge, "a recipe of %d bytes in YAML: at most %d", len(data), MaxYAMLBytes)
	}
	text := string(data)
	if n := strings.Count(text, "[") + strings.Count(text, "{"); n > maxYAMLBrackets {
		return fault.New(fault.TooLarge, "a recipe with %d opening brackets: at most %d", n, maxYAMLBrackets)
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		dashes := 0
		for _, word := range strings.Fields(line) {
			if word != "-" && word != "?" {
				break
			}
			dashes++
		}
		if dashes > maxYAMLDashes {
			return fault.New(fault.TooLarge, "line %d: lists within lists, more than %d deep", number, maxYAMLDashes)
		}
	}
	return nil
}

// yamlConverter turns the parser's tree into nodes.
type yamlConverter struct {
	anchors map[string]ast.Node
	left    int // how many more values there may be
}

func (c *yamlConverter) convert(n ast.Node, path string, depth int) (*yamlNode, error) {
	out := &yamlNode{path: path, line: lineOf(n)}
	if c.left--; c.left < 0 || depth > maxYAMLDepth {
		return nil, out.wrong("too many values, or too many within one another")
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.StringNode:
		out.scalar = n.Value
	case *ast.LiteralNode:
		out.scalar = n.Value.Value
	case *ast.IntegerNode:
		out.scalar = n.Value
	case *ast.FloatNode:
		out.scalar = n.Value
	case *ast.InfinityNode:
		out.scalar = n.Value
	case *ast.NanNode:
		out.scalar = math.NaN()
	case *ast.BoolNode:
		out.scalar = n.Value
	case *ast.AnchorNode:
		c.anchors[n.Name.String()] = n.Value
		return c.convert(n.Value, path, depth+1)
	case *ast.AliasNode:
		value, ok := c.anchors[n.Value.String()]
		if !ok {
			return nil, out.wrong("there is no anchor &%s before it", n.Value.String())
		}
		return c.convert(value, path, depth+1)
	case *ast.SequenceNode:
		out.isList = true
		for i, v := range n.Values {
			item, err := c.convert(v, fmt.Sprintf("%s[%d]", path, i), depth+1)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, item)
		}
	case *ast.TagNode:
		return nil, out.wrong("tags such as %s have no place in a recipe", n.Start.Value)
	case ast.MapNode:
		return out, c.convertMap(out, n, depth)
	default:
		return nil, out.wrong("a YAML %s has no place in a recipe", strings.ToLower(n.Type().String()))
	}
	return out, nil
}

// convertMap fills a map; no key may come twice.
func (c *yamlConverter) convertMap(out *yamlNode, n ast.MapNode, depth int) error {
	out.isMap, out.fields = true, map[string]*yamlNode{}
	for it := n.MapRange(); it.Next(); {
		at := &yamlNode{path: out.path, line: lineOf(it.Key())}
		key, ok := it.Key().(*ast.StringNode)
		if !ok {
			return at.wrong("a key that is not plain text")
		}
		if len(key.Value) > MaxName {
			return at.wrong("a key of %d bytes: at most %d", len(key.Value), MaxName)
		}
		if at.path = key.Value; out.path != "" {
			at.path = out.path + "." + key.Value
		}
		if _, twice := out.fields[key.Value]; twice {
			return at.wrong("this key comes twice")
		}
		value, err := c.convert(it.Value(), at.path, depth+1)
		if err != nil {
			return err
		}
		value.line = at.line // where it begins, for who reads the message
		out.keys, out.fields[key.Value] = append(out.keys, key.Value), value
	}
	return nil
}

// lineOf is the line that a node stands in.
func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// wrong is an error about the value, with its path and line.
func (n *yamlNode) wrong(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if n.path != "" {
		text = n.path + ": " + text
	}
	return fault.Bad(n.path, "line %d: %s", n.line, text)
}

// missing is an error about a key that the map should have.
func (n *yamlNode) missing(key, format string, args ...any) error {
	at := yamlNode{path: key, line: n.line}
	if n.path != "" {
		at.path = n.path + "." + key
	}
	return at.wrong("this is missing: "+format, args...)
}

// known refuses what is no map, and keys besides these.
func (n *yamlNode) known(keys ...string) error {
	if !n.isMap {
		return n.wrong("this must be a map with keys of %s", strings.Join(keys, ", "))
	}
	for _, key := range n.keys {
		if !slices.Contains(keys, key) {
			return n.fields[key].wrong("unknown key %q: known here are %s", key, strings.Join(keys, ", "))
		}
	}
	return nil
}
