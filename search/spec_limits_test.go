package search

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// withField is the smallest spec with one more field.
func withField(field, value string) []byte {
	return fmt.Appendf(nil, `%s,%q:%s}`, strings.TrimSuffix(smallest, "}"), field, value)
}

func TestEverySpecLimitIsIncluded(t *testing.T) {
	for field, c := range map[string]struct{ least, most, below, above string }{
		"trials":       {"1", "20000", "-1", "20001"},
		"minutes":      {"0.001", "10080", "0.0009", "10080.1"},
		"population":   {"2", "1024", "1", "1025"},
		"sigma":        {"0.000001", "1", "0.0000009", "1.0001"},
		"sample_size":  {"0", "2147483647", "-1", "2147483648"},
		"validate_top": {"1", "100", "-1", "101"},
		"weight_range": {"[-1000000,0]", "[0,1000000]", "[-1000001,0]", "[0,1000001]"},
	} {
		t.Run(field, func(t *testing.T) {
			for _, good := range []string{c.least, c.most} {
				_, err := ParseSpec(withField(field, good))
				require.NoError(t, err, good)
			}
			for _, bad := range []string{c.below, c.above} {
				_, err := ParseSpec(withField(field, bad))
				requireBad(t, err, field)
			}
		})
	}
}

func TestASpecAsLongAsAllowedIsRead(t *testing.T) {
	padding := strings.Repeat(" ", MaxSpecBytes-len(smallest))
	_, err := ParseSpec([]byte(smallest + padding))
	require.NoError(t, err)
	_, err = ParseSpec([]byte(smallest + padding + " "))
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
}

func TestAWrongTypeNamesItsField(t *testing.T) {
	for field, values := range map[string][]string{
		"name":           {"1", "[]", "{}", "true"},
		"method":         {"1", "[]"},
		"groups":         {"2", "{}"},
		"weight_range":   {"1", `"0-1"`, "{}", "[true,1]", `["0",1]`, "[0]", "[]", "[-1]", "[0,1,2]", "[0,null]", "[0,1e999]"},
		"density_range":  {"0.5", "[0.5]", "[0.1,0.5,1]"},
		"shared_density": {"1", `"yes"`},
		"normalize":      {"0", "[]"},
		"population":     {`"8"`, "8.5", "1e99", "[8]"},
		"sigma":          {`"0.1"`, "1e999", "{}"},
		"seed":           {"-1", "1.5", "18446744073709551616", `"7"`},
		"fitness":        {"1"},
		"sample_size":    {"0.5", "true"},
		"trials":         {"1e3", `"200"`, "[200]"},
		"minutes":        {`"1h"`, "[]"},
		"validate_top":   {"2.5", "{}"},
		"alias":          {"1", "[]"},
		"dtype":          {"16"},
		"rescale":        {"true"},
		"start":          {"1", `"best"`, "[]"},
	} {
		for _, value := range values {
			t.Run(field+" "+value, func(t *testing.T) {
				_, err := ParseSpec(withField(field, value))
				requireBad(t, err, field)
			})
		}
	}
	for field, spec := range map[string]string{
		"sources": `{"task":"sums","base":"base","sources":"ja"}`,
		"task":    `{"task":1,"base":"base","sources":["ja"]}`,
		"base":    `{"task":"sums","base":["base"],"sources":["ja"]}`,
	} {
		_, err := ParseSpec([]byte(spec))
		requireBad(t, err, field)
	}
}

func TestAnUnknownFieldIsNamed(t *testing.T) {
	for _, field := range []string{"Plain", "plain", "budget", "populaton", "max trials", ""} {
		t.Run(field, func(t *testing.T) {
			_, err := ParseSpec(withField(field, "1"))
			requireBad(t, err, field)
		})
	}
}

// requireBad requires that an error blames a field.
func requireBad(t *testing.T, err error, field string) {
	t.Helper()
	var e *fault.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, fault.Invalid, e.Code, err.Error())
	require.Equal(t, field, e.Param, err.Error())
}
