package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASearchCanComeAsMergekitEvolvesYAML(t *testing.T) {
	b := newBench(t)
	const text = "genome: {models: [a, b], merge_method: ties, base_model: base, layer_granularity: 2}\ntasks: [ja-math]\nmergeway: {trials: 9}\n"
	yaml := header("Content-Type", "application/yaml")
	var got Search
	b.send("POST", "/v1/searches", text, yaml).into(t, &got)
	require.Equal(t, []string{"a", "b"}, got.Spec.Sources)
	require.Equal(t, "blocks/2", string(got.Spec.Groups))
	require.Equal(t, 9, got.Spec.Trials)
	b.send("POST", "/v1/searches", text+"limit: 3\n", yaml).requireError(t, 400, "invalid", "limit")
	b.send("POST", "/v1/searches", "genome: [", yaml).requireError(t, 400, "invalid", "")
}
