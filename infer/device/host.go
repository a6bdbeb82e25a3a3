package device

import (
	"unsafe"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
)

// SharesMemory tells whether the device's memory is the host's, and its tensors can
// be read and written there: [Device.HostMemory], [Device.NewHostTensor].
func (d *Device) SharesMemory() bool { return d.IsCPU() && d.backend.HasSharedBuffers() }

// HostMemory is where the numbers of a tensor on the device are, row after row, until
// the tensor is freed. Who asks has to know that they have been computed: a device
// runs ahead. Only on a device that shares memory.
func (d *Device) HostMemory(t *tensors.Tensor) (at unsafe.Pointer, err error) {
	err = Try("look at a tensor's memory", func() error {
		buffer, err := t.Buffer(d.backend, 0)
		if err != nil {
			return err
		}
		flat, err := buffer.Data()
		if err != nil {
			return err
		}
		at = unsafe.Pointer(unsafe.SliceData(dtypes.UnsafeByteSliceFromAny(flat)))
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "look at a tensor's memory")
	}
	return at, nil
}

// NewHostTensor makes a tensor to be written through [Device.HostMemory], at a
// multiple of 64 bytes; at first it holds zeros. A graph can't take its place.
func (d *Device) NewHostTensor(shape shapes.Shape) (out *tensors.Tensor, err error) {
	err = Try("make a tensor", func() error {
		buffer, flat, err := d.backend.NewSharedBuffer(0, shape)
		if err != nil {
			return err
		}
		if data := dtypes.UnsafeByteSliceFromAny(flat); len(data) >= largeTensor {
			expect(data) // so that UseLargePages has nothing to copy
		}
		out, err = tensors.FromBuffer(buffer)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, CodeOf(err), "a tensor of %s", shape)
	}
	return out, nil
}
