package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag value for an amount of memory: "512MiB", "24GiB", or a
// plain number of bytes. Units are binary; KB and KiB mean the same.
type byteSize int64

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"tib", 1 << 40}, {"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
	{"tb", 1 << 40}, {"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10},
	{"t", 1 << 40}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1},
}

// Set implements pflag.Value.
func (s *byteSize) Set(text string) error {
	number, factor := strings.ToLower(strings.TrimSpace(text)), 1.0
	for _, unit := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, unit.suffix); ok {
			number, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < 0 || math.IsNaN(value) || value*factor >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 512MiB or 24GiB", text)
	}
	*s = byteSize(value * factor)
	return nil
}

// String implements pflag.Value: the largest binary unit that divides it.
func (s byteSize) String() string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && int64(s)%unit.size == 0 {
			return fmt.Sprintf("%d%s", int64(s)/unit.size, unit.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Type implements pflag.Value.
func (s byteSize) Type() string { return "size" }
