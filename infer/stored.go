package infer

import (
	"context"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// Stored are the parameters of a model that stays in its folder: each is put on
// the device when it is asked for. For what takes one at a time, as a merge does,
// a model of any size then fits. It is safe for concurrent use.
type Stored struct {
	dev     *device.Device
	folder  *checkpoint.Folder
	params  []arch.Param
	config  checkpoint.Config
	compute dtypes.DType
}

// NewStored gives the model of a folder, which has to stay open. compute is as in
// [LoadWeights], as is the error: a tensor that is missing or of another shape is
// known at once.
func NewStored(dev *device.Device, f *checkpoint.Folder, compute dtypes.DType) (*Stored, error) {
	if compute == dtypes.InvalidDType {
		compute = dev.ComputeDType(StoredDType(f))
	}
	s := &Stored{dev: dev, folder: f, params: arch.Params(f.Config()), config: f.Config(), compute: compute}
	s.config.DType = StoredDType(f)
	for _, p := range s.params {
		if _, _, err := storedParam(f, p); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// storedParam gives a parameter as its folder has it.
func storedParam(f *checkpoint.Folder, p arch.Param) (checkpoint.TensorInfo, []byte, error) {
	info, data, err := f.Tensor(p.Name)
	if err == nil && !slices.Equal(info.Shape, p.Shape) {
		err = fault.New(fault.Damaged, "tensor %q is %v, by config.json it should be %v", p.Name, info.Shape, p.Shape)
	}
	return info, data, err
}

// Config is the model's shape; its DType holds every tensor exactly, see [StoredDType].
func (s *Stored) Config() checkpoint.Config { return s.config }

// DType is what the parameters have on the device.
func (s *Stored) DType() dtypes.DType { return s.compute }

// Upload puts parameter i, in the order of [arch.Params], on the device. It is
// the caller's to free.
func (s *Stored) Upload(ctx context.Context, i int) (*tensors.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Cancelled, "read weights")
	}
	info, data, err := storedParam(s.folder, s.params[i])
	if err != nil {
		return nil, err
	}
	s.folder.ReadAhead(info.Name)
	defer s.folder.LetGo(info.Name)
	if d, ok := s.folder.Delta(info.Name); ok {
		return uploadAdapted(s.dev, info, data, d, s.compute)
	}
	return upload(s.dev, info, data, s.compute)
}

// Mapped is a parameter where its file is mapped into memory.
type Mapped struct {
	Shape shapes.Shape
	Data  []byte // little-endian, row-major; not Go's memory, and not to be written
}

// Map gives parameter i where it lies, for who can read it there: it has been read
// ahead, and may be let go of with [Stored.Unmap]. ok is false if its file has it in
// another form than the device would, so that it has to be uploaded.
func (s *Stored) Map(ctx context.Context, i int) (m Mapped, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return Mapped{}, false, fault.Wrap(err, fault.Cancelled, "read weights")
	}
	info, data, err := storedParam(s.folder, s.params[i])
	if err != nil {
		return Mapped{}, false, err
	}
	if _, adapted := s.folder.Delta(info.Name); adapted || info.DType != s.compute {
		return Mapped{}, false, nil
	}
	s.folder.ReadAhead(info.Name)
	return Mapped{shapes.Make(info.DType, info.Shape...), data}, true, nil
}

// Unmap says that parameter i is not needed for now, so that it doesn't count as this
// process's memory.
func (s *Stored) Unmap(i int) { s.folder.LetGo(s.params[i].Name) }

// Load puts all parameters on the device. progress is told how many are there, and
// of how many; it may be nil.
func (s *Stored) Load(ctx context.Context, progress func(done, total int)) (_ *Weights, err error) {
	var all []*tensors.Tensor
	defer func() {
		if err != nil {
			device.Free(all...)
		}
	}()
	for i := range s.params {
		t, err := s.Upload(ctx, i)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		if progress != nil {
			progress(len(all), len(s.params))
		}
	}
	return NewWeights(s.Config(), s.dev, all)
}
