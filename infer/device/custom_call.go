package device

import (
	"fmt"
	"reflect"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/go-xla/stablehlo"
	xlashapes "github.com/gomlx/go-xla/types/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// typedCalls is the version of XLA's custom calls that knows its operands' types.
const typedCalls = int32(4)

// customCall gives what a custom call makes of operands: a tensor of this shape. All
// tensors lie row after row.
//
// GoMLX has no operation that calls a function by name, so this has it build a tensor
// of zeros and then changes what stands in the program, for which it reaches into
// private fields; where they are not what this code expects, it gives an error and
// the zeros are never computed.
func customCall(target string, shape shapes.Shape, operands ...*graph.Node) (*graph.Node, error) {
	g := operands[0].Graph()
	values := make([]*stablehlo.Value, len(operands))
	rowByRow := make([][]int, len(operands))
	for i, operand := range operands {
		var err error
		if values[i], err = valueOf(operand); err != nil {
			return nil, err
		}
	}
	result := graph.BroadcastToShape(graph.ScalarZero(g, shape.DType), shape)
	statement, err := statementOf(result)
	if err != nil {
		return nil, err
	}
	if len(statement.Outputs) != 1 {
		return nil, fmt.Errorf("zeros are %d results", len(statement.Outputs))
	}
	outputs := []xlashapes.Shape{statement.Outputs[0].Shape()}
	if _, err := stablehlo.CustomCallV2(target, "", values, rowByRow, outputs, [][]int{nil}); err != nil {
		return nil, err
	}
	last := len(statement.Function.Statements) - 1
	call := statement.Function.Statements[last]
	statement.Function.Statements = statement.Function.Statements[:last]
	statement.OpType, statement.Attributes, statement.Inputs = call.OpType, call.Attributes, call.Inputs
	statement.Attributes["api_version"] = typedCalls
	return result, nil
}

// valueOf finds a node in the program that is being built.
func valueOf(n *graph.Node) (*stablehlo.Value, error) {
	value, err := privateOf(n, "value")
	if err != nil {
		return nil, err
	}
	found, ok := value.Interface().(*stablehlo.Value)
	if !ok || found == nil {
		return nil, fmt.Errorf("a node is a %s, and not a value of StableHLO", value.Type())
	}
	return found, nil
}

// statementOf finds what computes a node in the program that is being built.
func statementOf(n *graph.Node) (*stablehlo.Statement, error) {
	at, err := privateOf(n, "value", "stmt")
	if err != nil {
		return nil, err
	}
	statement, ok := at.Interface().(*stablehlo.Statement)
	if !ok || statement == nil {
		return nil, fmt.Errorf("a node is computed by a %s, and not by a statement of StableHLO", at.Type())
	}
	return statement, nil
}

// privateOf follows private fields from what the backend has for a node.
func privateOf(n *graph.Node, fields ...string) (reflect.Value, error) {
	results := graph.InternalBackendOutputs(n)
	if len(results) != 1 {
		return reflect.Value{}, fmt.Errorf("a node with %d results", len(results))
	}
	at := reflect.ValueOf(results[0])
	for _, name := range fields {
		if at.Kind() != reflect.Pointer || at.IsNil() {
			return at, fmt.Errorf("%s has no field %q", at.Type(), name)
		}
		var err error
		if at, err = privateField(at.Elem(), name); err != nil {
			return at, err
		}
	}
	return at, nil
}
