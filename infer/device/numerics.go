package device

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
)

// Numerics says how the device computes, as far as it decides about the last bits
// of what a model computes: two devices that say the same come to the same
// verdicts.
func (d *Device) Numerics() string {
	kernels := "the backend's kernels"
	if d.HasKernels(d.ComputeDType(dtypes.BFloat16)) {
		kernels = "own kernels"
	}
	return fmt.Sprintf("%s, bfloat16 as %s, %s", d.Name(), d.ComputeDType(dtypes.BFloat16), kernels)
}
