package device

import (
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// CodeOf is [fault.CodeOf] for errors of the device: one that is out of memory is
// no fault of ours, nor of a model's files.
func CodeOf(err error) fault.Code {
	if code := fault.CodeOf(err); code != fault.Internal {
		return code
	}
	if strings.Contains(err.Error(), "RESOURCE_EXHAUSTED") { // how XLA says it
		return fault.OutOfMemory
	}
	return fault.Internal
}
