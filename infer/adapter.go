package infer

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// uploadAdapted puts a tensor on the device with what an adapter does to it. The sum
// is computed in float32 and rounded once, to the dtype that the tensor has in its
// file: the result is a model like any other, and is exported as it is served.
func uploadAdapted(dev *device.Device, info checkpoint.TensorInfo, data []byte, d checkpoint.Delta, compute dtypes.DType) (out *tensors.Tensor, err error) {
	stored := info.DType
	if d.Whole != nil {
		info, data = *d.Whole, d.WholeData
	}
	var merged *tensors.Tensor
	if d.A == nil {
		merged, err = upload(dev, info, data, stored)
	} else {
		merged, err = addDelta(dev, info, data, d, stored)
	}
	if err != nil || stored == compute {
		return merged, err
	}
	defer device.Free(merged)
	err = device.Try("convert "+info.Name, func() error {
		out, err = graph.CallOnce(dev.Backend(), func(x *graph.Node) *graph.Node { return graph.ConvertDType(x, compute) }, merged)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, device.CodeOf(err), "tensor %q", info.Name)
	}
	return out, nil
}

// addDelta gives a tensor with a delta added, rounded to a dtype.
func addDelta(dev *device.Device, info checkpoint.TensorInfo, data []byte, d checkpoint.Delta, to dtypes.DType) (*tensors.Tensor, error) {
	name, product := "adapter to "+to.String(), dtypes.Float32
	if !dev.IsCPU() {
		product = dtypes.Float64 // others multiply float32 with fewer bits
	}
	if d.Embedding {
		name = "embedding's " + name
	}
	program, err := dev.Program(name, func(in []*graph.Node) []*graph.Node {
		weight, a, b, scale := in[0], graph.ConvertDType(in[1], product), graph.ConvertDType(in[2], product), in[3]
		var delta *graph.Node
		if d.Embedding {
			delta = graph.DotGeneral(a, []int{0}, nil, b, []int{1}, nil)
		} else {
			delta = graph.DotGeneral(b, []int{1}, nil, a, []int{0}, nil)
		}
		sum := graph.Add(graph.ConvertDType(weight, dtypes.Float32), graph.Mul(graph.ConvertDType(delta, dtypes.Float32), scale))
		return []*graph.Node{graph.ConvertDType(sum, to)}
	})
	if err != nil {
		return nil, err
	}
	var args []any
	defer func() {
		for _, x := range args {
			device.Free(x.(*tensors.Tensor))
		}
	}()
	var out []*tensors.Tensor
	err = device.Try("adapt "+info.Name, func() error {
		for _, of := range []struct {
			info checkpoint.TensorInfo
			data []byte
		}{{info, data}, {*d.A, d.AData}, {*d.B, d.BData}} {
			t, err := tensors.FromRaw(dev.Backend(), 0, shapes.Make(of.info.DType, of.info.Shape...), of.data)
			if err != nil {
				return err
			}
			args = append(args, t)
		}
		args = append(args, tensors.FromScalar(float32(d.Scale)))
		out, err = program.Exec(args...)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, device.CodeOf(err), "tensor %q", info.Name)
	}
	return out[0], nil
}
