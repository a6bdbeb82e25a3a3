package device

import (
	"fmt"
	"reflect"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/go-xla/stablehlo"
	"github.com/gomlx/go-xla/types/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/device/product"
)

// typedCalls is the version of XLA's custom calls that knows its operands' types.
const typedCalls = int32(4)

// Multiplies tells whether this device has a kernel of our own for products in a
// dtype.
func (d *Device) Multiplies(dtype dtypes.DType) bool { return d.products && dtype == dtypes.BFloat16 }

// Multiply gives x [..., in] times a weight stored [out, in] by a kernel of our
// own, where this device has one for them (package product). If it does not, that
// is left to the caller.
//
// GoMLX has no operation that calls a kernel by name, so this has it build the
// usual product and then changes what stands in the program, for which it reaches
// into private fields; where they are not what this code expects, the answer is no.
func (d *Device) Multiply(x, weight *graph.Node) (*graph.Node, bool) {
	if !d.Multiplies(x.DType()) || weight.DType() != x.DType() {
		return nil, false
	}
	y := graph.Dot(x, weight).WithAccumulatorDType(x.DType()).General([]int{x.Rank() - 1}, nil, []int{1}, nil)
	statement, err := statementOf(y)
	if err != nil {
		return nil, false
	}
	return y, callInstead(statement, product.Target) == nil
}

// statementOf finds what computes a node in the program that is being built.
func statementOf(n *graph.Node) (*stablehlo.Statement, error) {
	results := graph.InternalBackendOutputs(n)
	if len(results) != 1 {
		return nil, fmt.Errorf("a node with %d results", len(results))
	}
	at := reflect.ValueOf(results[0])
	for _, name := range []string{"value", "stmt"} {
		if at.Kind() != reflect.Pointer || at.IsNil() {
			return nil, fmt.Errorf("%s has no field %q", at.Type(), name)
		}
		var err error
		if at, err = privateField(at.Elem(), name); err != nil {
			return nil, err
		}
	}
	statement, ok := at.Interface().(*stablehlo.Statement)
	if !ok || statement == nil {
		return nil, fmt.Errorf("a node is computed by a %s, and not by a statement of StableHLO", at.Type())
	}
	return statement, nil
}

// callInstead makes the statement of a product one that calls target with the same
// operands, for a result of the same shape, all of them row after row.
func callInstead(s *stablehlo.Statement, target string) error {
	if len(s.Inputs) != 2 || len(s.Outputs) != 1 {
		return fmt.Errorf("a product of %d operands with %d results", len(s.Inputs), len(s.Outputs))
	}
	rowByRow := [][]int{nil, nil}
	result := []shapes.Shape{s.Outputs[0].Shape()}
	if _, err := stablehlo.CustomCallV2(target, "", s.Inputs, rowByRow, result, rowByRow[:1]); err != nil {
		return err
	}
	last := len(s.Function.Statements) - 1
	call := s.Function.Statements[last]
	s.Function.Statements = s.Function.Statements[:last]
	s.OpType, s.Attributes = call.OpType, call.Attributes
	s.Attributes["api_version"] = typedCalls
	return nil
}
