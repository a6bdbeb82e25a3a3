package infer

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// Hop is a step of a path through the blocks of several models: one of their
// blocks, and what the residual stream is multiplied by when it comes there.
type Hop struct {
	Weights *Weights
	Layer   int
	Scale   float32
}

// NewPath gives a model whose blocks are those of the hops, in their order, and
// whose ends are another model's. No weight is copied: it shares the tensors of
// all these models, which have to stay until it is freed (see [Weights.OnFree]).
// A block may come several times; its keys and values are kept for each.
//
// The config is the path's own: it has a block for each hop, and HopScales if any of
// them has a scale other than 1. Without, the compiled programs are those of every
// model of so many blocks, so that a model's own blocks in order are that model to the
// last bit. Models that hold their weights in different dtypes are fault.Unfit.
func NewPath(c checkpoint.Config, dev *device.Device, ends *Weights, hops []Hop) (_ *Weights, err error) {
	scaled := slices.ContainsFunc(hops, func(h Hop) bool { return h.Scale != 1 })
	if len(hops) != c.NumHiddenLayers || scaled && !c.HopScales {
		return nil, fault.New(fault.Internal, "a path of %d hops, scaled %t, for a model of %d blocks, scaled %t", len(hops), scaled, c.NumHiddenLayers, c.HopScales)
	}
	var own []*tensors.Tensor
	defer func() {
		if err != nil {
			device.Free(own...)
		}
	}()
	params := arch.Params(c)
	all := make([]*tensors.Tensor, len(params))
	for i, p := range params {
		from, name := ends, p.Name
		switch {
		case p.HopScales():
			if all[i], err = hopScales(dev, hops); err != nil {
				return nil, err
			}
			own = append(own, all[i])
			continue
		case p.Group.Part == arch.Block:
			hop := hops[p.Group.Block]
			from, name = hop.Weights, p.In(hop.Layer).Name
		}
		if from.DType() != ends.DType() {
			return nil, fault.New(fault.Unfit, "the models of a path are held as %s and as %s: it shares their weights, which have to be of one dtype", ends.DType(), from.DType())
		}
		if all[i] = from.Tensor(name); all[i] == nil {
			return nil, fault.New(fault.Internal, "a path leads to %s, which there is not", name)
		}
	}
	w, err := NewWeights(c, dev, all)
	if err != nil {
		return nil, err
	}
	w.shared, w.own, w.bytes = true, own, 0
	for _, t := range own {
		w.bytes += t.ByteSize()
	}
	return w, nil
}

// hopScales puts the scales of hops on the device, as the argument that they are
// to the compiled programs.
func hopScales(dev *device.Device, hops []Hop) (*tensors.Tensor, error) {
	var data []byte
	for _, h := range hops {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(h.Scale))
	}
	info := checkpoint.TensorInfo{Name: "scales of hops", DType: dtypes.Float32, Shape: []int{len(hops)}}
	return upload(dev, info, data, dtypes.Float32)
}
