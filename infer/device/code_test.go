package device_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
)

func TestADeviceOutOfMemoryIsToldApart(t *testing.T) {
	full := errors.New("RESOURCE_EXHAUSTED: Out of memory allocating 8589934592 bytes")
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{nil, ""},
		{errors.New("shapes differ"), fault.Internal},
		{full, fault.OutOfMemory},
		{fault.Wrap(full, fault.Internal, "run a batch"), fault.OutOfMemory},
		{fault.Wrap(full, fault.Damaged, "tensor"), fault.Damaged},
	} {
		require.Equal(t, c.want, device.CodeOf(c.err), "%v", c.err)
	}
}
