package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestYAMLBecomesJSON(t *testing.T) {
	for yaml, want := range map[string]string{
		"a: 1\nb: [x, 2.5, true, null]\nc: {d: {}, e: []}\n": `{"a": 1, "b": ["x", 2.5, true, null], "c": {"d": {}, "e": []}}`,
		"x: &a {y: 18446744073709551615}\nz: *a\n":           `{"x": {"y": 18446744073709551615}, "z": {"y": 18446744073709551615}}`,
		"- '<&>'\n": `["<&>"]`,
	} {
		got, err := YAMLToJSON([]byte(yaml))
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got))
	}
	for _, yaml := range []string{"", "a: 1\n---\nb: 2\n", "a: .inf\n", "\""} {
		_, err := YAMLToJSON([]byte(yaml))
		assert.Equal(t, fault.Invalid, fault.CodeOf(err), yaml)
	}
}
