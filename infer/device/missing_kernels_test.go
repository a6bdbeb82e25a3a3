package device

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device/kernel"
)

// A plugin that can't take them costs speed and nothing else; somebody has to hear of it.
func TestKernelsThatCannotBeUsedAreToldOfOnce(t *testing.T) {
	if !kernel.Supported() {
		t.Skip("this processor has no AVX512-BF16")
	}
	var log bytes.Buffer
	d := &Device{log: slog.New(slog.NewTextHandler(&log, nil))}
	require.NoError(t, d.KernelProblem())
	d.registerKernels("xla:/no/plugin.so,some=option")
	require.False(t, d.HasKernels(dtypes.BFloat16))
	require.ErrorContains(t, d.KernelProblem(), "/no/plugin.so: the plugin is not loaded")
	d.missKernels(errors.New("another reason"))
	require.ErrorContains(t, d.KernelProblem(), "is not loaded", "the first reason stays")
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
}
