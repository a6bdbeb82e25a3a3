package infer

import (
	"context"
	"slices"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// Weights are the parameters of one model on the device, in the order of
// [arch.Params], all of one dtype but for the scales of hops.
type Weights struct {
	config checkpoint.Config
	all    []*tensors.Tensor
	own    []*tensors.Tensor // those of them that are freed with the model
	byName map[string]*tensors.Tensor
	bytes  int64 // of its own ones
	shared bool  // others are another model's
	freed  []func()
	free   sync.Once
	reuse  func([]*tensors.Tensor) bool // see ReuseBy
}

// NewWeights takes ownership of tensors that lie on dev in the order of
// arch.Params(c). Their shapes must be those of the config, and their dtypes
// equal.
func NewWeights(c checkpoint.Config, dev *device.Device, all []*tensors.Tensor) (*Weights, error) {
	params := arch.Params(c)
	if len(all) != len(params) {
		return nil, fault.New(fault.Internal, "a model of %d tensors was given %d", len(params), len(all))
	}
	w := &Weights{config: c, all: all, own: all, byName: make(map[string]*tensors.Tensor, len(all))}
	for i, p := range params {
		t := all[i]
		if t.DType() != p.DType(all[0].DType()) || !slices.Equal(t.Shape().Dimensions, p.Shape) {
			return nil, fault.New(fault.Internal, "%s is %s, expected %s %v", p.Name, t.Shape(), p.DType(all[0].DType()), p.Shape)
		}
		w.byName[p.Name] = t
		w.bytes += t.ByteSize()
	}
	if dev != nil { // tests have weights that lie nowhere
		dev.UseLargePages(all...)
	}
	return w, nil
}

// StoredDType is the [WidestDType] of a folder.
func StoredDType(f *checkpoint.Folder) dtypes.DType { return WidestDType(f.Config(), f.Tensors()) }

// WidestDType is the narrowest dtype that holds every tensor of a model exactly, and
// not narrower than its config says: files may mix dtypes, norms in float32 among
// bfloat16 for instance. What else a folder stores doesn't count.
func WidestDType(c checkpoint.Config, stored []checkpoint.TensorInfo) dtypes.DType {
	others := map[string]bool{} // the tensors of another dtype
	for _, t := range stored {
		// One of a kind that weights can't have is what loading it reports.
		if t.DType != c.DType && t.DType != dtypes.InvalidDType {
			others[t.Name] = true
		}
	}
	for _, p := range arch.Params(c) {
		if others[p.Name] {
			return dtypes.Float32 // of float32, float16 and bfloat16, only float32 holds another
		}
	}
	return c.DType
}

// LoadWeights puts a folder's weights on the device, all converted to the compute
// dtype; dtypes.InvalidDType lets the device choose for the [StoredDType] (see
// [device.Device.ComputeDType]), so that nothing is narrowed. Widening is exact. A tensor that is missing or
// of another shape than the config says is fault.Damaged.
func LoadWeights(ctx context.Context, dev *device.Device, f *checkpoint.Folder, compute dtypes.DType) (*Weights, error) {
	s, err := NewStored(dev, f, compute)
	if err != nil {
		return nil, err
	}
	return s.Load(ctx, nil)
}

// upload copies one stored tensor to the device and converts it there.
func upload(dev *device.Device, info checkpoint.TensorInfo, data []byte, compute dtypes.DType) (*tensors.Tensor, error) {
	var out *tensors.Tensor
	err := device.Try("upload "+info.Name, func() error {
		t, err := tensors.FromRaw(dev.Backend(), 0, shapes.Make(info.DType, info.Shape...), data)
		if err != nil || info.DType == compute {
			out = t
			return err
		}
		defer device.Free(t)
		all, err := graph.CallOnceN(dev.Backend(), func(x *graph.Node) []*graph.Node {
			return []*graph.Node{graph.ConvertDType(x, compute), graph.Const(x.Graph(), true)}
		}, t)
		if err != nil {
			return err
		}
		// The second is read to wait for the first: whoever looks at it in memory does
		// not ask the device whether it is there.
		_, err = tensors.CopyFlatData[bool](all[1])
		device.Free(all[1])
		if err != nil {
			device.Free(all[0])
			return err
		}
		out = all[0]
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, device.CodeOf(err), "tensor %q", info.Name)
	}
	return out, nil
}

// Config is the model's shape.
func (w *Weights) Config() checkpoint.Config { return w.config }

// Tensor gives a parameter by its Hugging Face name; nil if there is none. It
// stays owned by w.
func (w *Weights) Tensor(name string) *tensors.Tensor { return w.byName[name] }

// Tensors gives all parameters in the order of [arch.Params]; owned by w.
func (w *Weights) Tensors() []*tensors.Tensor { return w.all }

// Shared reports whether tensors of w are those of other models, which have to stay
// as long as w does.
func (w *Weights) Shared() bool { return w.shared }

// OnFree has f called when w has been freed: what it shares may go then. It is to
// be called before anybody else has w.
func (w *Weights) OnFree(f func()) { w.freed = append(w.freed, f) }

// Bytes is the device memory that the weights take; what they share is counted
// where it belongs.
func (w *Weights) Bytes() int64 { return w.bytes }

// DType is what the model computes in.
func (w *Weights) DType() dtypes.DType { return w.all[0].DType() }

// Free gives the memory back. Nothing may use the weights any more.
func (w *Weights) Free() {
	w.free.Do(func() {
		if w.reuse == nil || !w.reuse(w.own) {
			device.Free(w.own...)
		}
		for _, f := range w.freed {
			f()
		}
	})
}

// ReuseBy offers the weights' own tensors to somebody when they are freed, who may
// take them over. To be called before anybody else has the weights.
func (w *Weights) ReuseBy(take func([]*tensors.Tensor) bool) { w.reuse = take }
