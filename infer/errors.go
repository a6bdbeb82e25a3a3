package infer

import (
	"errors"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// ErrContextLength marks a prompt that is longer than the model's context; the
// error around it has both numbers.
var ErrContextLength = errors.New("context length exceeded")

// codeOf is fault.CodeOf for errors of the device: one that is out of memory is
// no fault of ours, nor of a model's files.
func codeOf(err error) fault.Code {
	if code := fault.CodeOf(err); code != fault.Internal {
		return code
	}
	if strings.Contains(err.Error(), "RESOURCE_EXHAUSTED") { // how XLA says it
		return fault.OutOfMemory
	}
	return fault.Internal
}
