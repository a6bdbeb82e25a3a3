package checkpoint

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"
)

// Whatever is read ahead and let go of, and wherever tensors begin within a page,
// all of them stay as they are.
func TestLettingGoChangesNothing(t *testing.T) {
	var all []Tensor
	for i, size := range []int{10, 5000, 3, 40_000, 0, 8192, 1} {
		data := bytes.Repeat([]byte{byte(i + 1)}, 2*size)
		all = append(all, Tensor{TensorInfo{Name: string(rune('a' + i)), DType: dtypes.BFloat16, Shape: []int{size}}, data})
	}
	f, err := Open(model(t, map[string][]Tensor{WeightsFile: all}))
	require.NoError(t, err)
	defer f.Close()
	for _, let := range all {
		f.ReadAhead(let.Name)
		f.LetGo(let.Name)
		for _, want := range all {
			_, data, err := f.Tensor(want.Name)
			require.NoError(t, err)
			require.Equal(t, want.Data, append([]byte{}, data...), "%s after %s", want.Name, let.Name)
		}
	}
	f.ReadAhead("none")
	f.LetGo("none")
	require.FileExists(t, filepath.Join(f.Dir(), WeightsFile))
}
