package infer

import "errors"

// ErrContextLength marks a prompt that is longer than the model's context; the
// error around it has both numbers.
var ErrContextLength = errors.New("context length exceeded")
