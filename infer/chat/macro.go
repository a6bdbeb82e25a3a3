package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/builtins"
	structures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// Templates describe a function's schema with macros that call themselves. How
// deep they go is up to the schema, and the engine follows them on Go's stack:
// their calls are counted.

const (
	maxMacroDepth = 100
	maxMacroCalls = 20_000 // of one rendering
)

// macroCalls counts those of one rendering.
type macroCalls struct{ depth, all int }

const macroCallsName = "mergeway_macro_calls"

// boundedMacro is a macro whose calls are counted.
type boundedMacro struct {
	*structures.MacroControlStructure
}

func parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	macro, err := parseAs[*structures.MacroControlStructure]("macro", p, args)
	if err != nil {
		return nil, err
	}
	return &boundedMacro{macro}, nil
}

// parseAs parses a control structure as the template engine does, which has to make
// a node of the kind that we know.
func parseAs[T nodes.ControlStructure](name string, p, args *parser.Parser) (T, error) {
	var none T
	parse, ok := builtins.ControlStructures.Get(name)
	if !ok {
		return none, fmt.Errorf("the template engine has no %q", name)
	}
	node, err := parse(p, args)
	if err != nil {
		return none, err
	}
	known, ok := node.(T)
	if !ok {
		return none, fmt.Errorf("the template engine's %q is %T", name, node)
	}
	return known, nil
}

// Execute implements exec.ControlStructure: it defines the macro.
func (m *boundedMacro) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	call, err := exec.MacroNodeToFunc(m.Macro, r)
	if err != nil {
		return err
	}
	r.Environment.Context.Set(m.Name, exec.Macro(func(args *exec.VarArgs) *exec.Value {
		value, _ := r.Environment.Context.Get(macroCallsName)
		calls, ok := value.(*macroCalls)
		if !ok {
			return exec.AsValue(fmt.Errorf("macro %q is called where calls are not counted", m.Name))
		}
		calls.all++
		calls.depth++
		defer func() { calls.depth-- }()
		if calls.depth > maxMacroDepth || calls.all > maxMacroCalls {
			return exec.AsValue(fmt.Errorf("%w: macro %q", errTooDeep, m.Name))
		}
		return call(args)
	}))
	return nil
}
