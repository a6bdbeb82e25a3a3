package infer

import (
	"context"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/picture"
)

// Vision is the part of a model that sees pictures, on the device: a vision tower and a
// projector. It belongs to no decoder in particular, but for the width of what it
// gives, and models may share it. It is safe for concurrent use.
type Vision struct {
	config  checkpoint.VisionConfig
	width   int    // of the decoder's residual stream
	id      string // see ID
	all     []*tensors.Tensor
	newline []float32 // [D]; nil if the model has none
	bytes   int64
	free    sync.Once

	processor *picture.Processor
}

// LoadVision puts the part of a folder's model that sees on the device. compute is as in
// [LoadWeights]. A folder without such a part is fault.Unfit.
func LoadVision(ctx context.Context, dev *device.Device, f *checkpoint.Folder, compute dtypes.DType) (_ *Vision, err error) {
	config := f.Vision()
	if config == nil {
		return nil, fault.New(fault.Unfit, "the model sees no pictures")
	}
	v := &Vision{config: *config, width: f.Config().HiddenSize}
	if v.processor, err = picture.OpenProcessor(f.Dir(), config); err != nil { // before much is read
		return nil, err
	}
	if v.id, err = f.VisionDigest(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Free()
		}
	}()
	params := arch.VisionParams(v.config, v.width)
	if compute == dtypes.InvalidDType {
		compute = dev.ComputeDType(VisionDType(v.config, v.width, f.Tensors()))
	}
	for _, p := range params {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(err, fault.Cancelled, "read weights")
		}
		if err := v.load(dev, f, p, compute); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// load puts one parameter on the device.
func (v *Vision) load(dev *device.Device, f *checkpoint.Folder, p arch.Param, compute dtypes.DType) error {
	info, data, err := storedParam(f, p)
	if err != nil {
		return err
	}
	f.ReadAhead(p.Name)
	defer f.LetGo(p.Name)
	var t *tensors.Tensor
	if d, ok := f.Delta(p.Name); ok {
		t, err = uploadAdapted(dev, info, data, d, compute)
	} else {
		t, err = upload(dev, info, data, compute)
	}
	if err != nil {
		return err
	}
	v.all = append(v.all, t)
	v.bytes += t.ByteSize()
	if p.Name == checkpoint.NewlineName {
		v.newline, err = onHost(dev, t)
	}
	return err
}

// VisionDType is the narrowest dtype that holds the parameters of a vision part exactly,
// before decoders of a width; dtypes.InvalidDType if none of them is stored.
func VisionDType(v checkpoint.VisionConfig, width int, stored []checkpoint.TensorInfo) dtypes.DType {
	of := map[string]dtypes.DType{}
	for _, t := range stored {
		of[t.Name] = t.DType
	}
	widest := dtypes.InvalidDType
	for _, p := range arch.VisionParams(v, width) {
		switch dtype := of[p.Name]; {
		case dtype == dtypes.InvalidDType: // is what loading it reports
		case widest == dtypes.InvalidDType:
			widest = dtype
		case widest != dtype:
			return dtypes.Float32 // of float32, float16 and bfloat16, only float32 holds another
		}
	}
	return widest
}

// onHost gives the numbers of a tensor in float32.
func onHost(dev *device.Device, t *tensors.Tensor) (flat []float32, err error) {
	err = device.Try("read a tensor", func() error {
		wide, err := graph.CallOnce(dev.Backend(), func(x *graph.Node) *graph.Node { return graph.ConvertDType(x, dtypes.Float32) }, t)
		if err != nil {
			return err
		}
		defer device.Free(wide)
		flat, err = tensors.CopyFlatData[float32](wide)
		return err
	})
	return flat, err
}

// Config is what config.json says of it.
func (v *Vision) Config() checkpoint.VisionConfig { return v.config }

// Prepare makes a picture what this part sees, as the files of its folder say.
func (v *Vision) Prepare(p *picture.Picture) (*picture.Prepared, error) {
	return v.processor.Prepare(p)
}

// Width is that of the states it gives, D: the hidden size of the decoders it goes with.
func (v *Vision) Width() int { return v.width }

// ID identifies it by content: it is the same for all models that have this part.
func (v *Vision) ID() string { return v.id }

// Bytes is the device memory that it takes.
func (v *Vision) Bytes() int64 { return v.bytes }

// Free gives the memory back. Nothing may use it any more.
func (v *Vision) Free() { v.free.Do(func() { device.Free(v.all...) }) }
