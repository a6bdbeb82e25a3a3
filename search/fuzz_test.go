package search

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func FuzzParseSpec(f *testing.F) {
	for _, seed := range []string{
		smallest,
		`{"name":"n","task":"sums","base":"base","sources":["ja","math"],"method":"dare_ties","groups":"blocks","density_range":[0.5,0.9],"shared_density":true,"rescale":"l1","dtype":"float32"}`,
		`{"task":"sums","base":"base","sources":["ja"],"start":{"method":"linear","sources":[{"model":"ja","weight":[1]}]},"seed":18446744073709551615}`,
		`{"task":"sums","base":"base","sources":["ja"],"weight_range":[-1,2],"sigma":1e-3,"minutes":0.5,"trials":3,"validate_top":1,"sample_size":2,"fitness":"shaped","alias":"best"}`,
		`{"task":"sums","base":"base","sources":["ja"],"method":"slerp","groups":"blocks/2","filters":["mlp"],"ranges":{"t":{"range":[0,1],"over":"gradient","anchors":2}}}`,
		`{"task":"sums","base":"base","sources":["ja"],"ranges":{"weight":[0,1],"lambda":{"range":[0.5,1.5]}}}`,
		`{"task":"sums","base":"base","sources":["ja"],"racing":{"block":4,"bound":"hoeffding","against":"selection"}}`,
		`{"task":null,"weight_range":[0]}`, `[]`, `null`, `{"start":{}}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ParseSpec(data)
		if err != nil {
			require.Contains(t, []fault.Code{fault.Invalid, fault.TooLarge}, fault.CodeOf(err))
			return
		}
		written, err := json.Marshal(spec)
		require.NoError(t, err)
		again, err := ParseSpec(written)
		require.NoError(t, err, "%s", written)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
		space, err := NewSpace(spec, []int{2})
		if err != nil {
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			return
		}
		genome, err := space.Start()
		if err != nil {
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			return
		}
		_, err = space.Recipe(genome)
		if err != nil { // such as weights that sum to nothing
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
		}
	})
}
