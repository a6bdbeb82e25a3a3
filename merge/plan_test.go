package merge

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

func TestAPlanCountsWhatAMergeTakes(t *testing.T) {
	x := newExecutor(t)
	r, merged := mergeSmall(t, x, "bfloat16")
	size := merged.Bytes() // in float32
	models, held := map[string]Described{}, map[string]dtypes.DType{}
	for _, name := range r.Models() {
		d := Described{Config: small()}
		for _, info := range storedAs(small(), dtypes.BFloat16) {
			d.Tensors = append(d.Tensors, info)
		}
		d.Tensors = append(d.Tensors, checkpoint.TensorInfo{Name: "rotary_emb.inv_freq", DType: dtypes.Float32, Shape: []int{4}}) // not read
		models[name], held[name] = d, dtypes.Float32
	}
	want := Plan{
		Tensors: len(merged.Tensors()), Read: map[string]int64{"base": size / 2, "ja": size / 2, "math": size / 2},
		Written: size / 2, Device: 4 * size, Unit: 4 * UnitBytes(small(), dtypes.Float32),
	}
	require.Equal(t, want, NewPlan(r, models, held))

	r.Method, r.DType = TIES, "float32"
	want.Written, want.Ranking = size, 2*UnitBytes(small(), dtypes.Float32)
	require.Equal(t, want, NewPlan(r, models, held), "a ranking of each source, in a unit")
}
