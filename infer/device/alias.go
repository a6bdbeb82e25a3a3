package device

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/stablehlo"
	"github.com/gomlx/gomlx/core/graph"
)

// Alias says that result number output of a graph, which is being built, may take
// the place of parameter number input: if the caller donates that parameter, it is
// updated and not copied. Only a KV cache that is updated in place can be large: a
// step of decoding writes one column and would copy all others.
//
// XLA wants to know this when it compiles, and GoMLX has no way to say so (it
// donates when it calls, which alone saves nothing on a CPU). Here the parameter
// gets its attribute by reaching into two private fields; where they are not what
// this code expects, it gives an error and the graph is what it was.
func Alias(g *graph.Graph, input, output int) (err error) {
	builder, err := privateField(reflect.ValueOf(g).Elem(), "builder")
	if err != nil {
		return err
	}
	backend, ok := builder.Interface().(compute.Builder)
	if !ok || backend == nil {
		return fmt.Errorf("a graph is built by a %s", builder.Type())
	}
	main := reflect.ValueOf(backend.Main())
	if main.Kind() != reflect.Pointer || main.IsNil() {
		return fmt.Errorf("a graph's program is a %s", main.Type())
	}
	fn, err := privateField(main.Elem(), "fn")
	if err != nil {
		return err
	}
	program, ok := fn.Interface().(*stablehlo.Function)
	if !ok {
		return fmt.Errorf("the backend builds a %s, and not StableHLO", fn.Type())
	}
	inputs := program.Inputs
	if input < 0 || input >= len(inputs) {
		return fmt.Errorf("there is no parameter %d of %d", input, len(inputs))
	}
	if inputs[input].Attributes == nil {
		inputs[input].Attributes = map[string]any{}
	}
	inputs[input].Attributes["tf.aliasing_output"] = int32(output)
	return nil
}

// privateField reads a field of a struct that its package does not export.
func privateField(of reflect.Value, name string) (reflect.Value, error) {
	if of.Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("%s is no struct", of.Type())
	}
	field := of.FieldByName(name)
	if !field.IsValid() || !field.CanAddr() {
		return reflect.Value{}, fmt.Errorf("%s has no field %q", of.Type(), name)
	}
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem(), nil
}
