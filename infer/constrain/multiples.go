package constrain

import (
	"strconv"
	"strings"
)

// The automaton of multipleOf has a state for each remainder, and that of two
// which meet in one number for those of their least common multiple. llguidance
// counts the remainders in 32 bits, and their work not at all.
const (
	maxMultiple = 100_000_000 // at the scale of the finest one
	maxScale    = 8           // digits after the point
)

// multiples are the values of multipleOf in a schema. Which of them meet is
// hard to tell; all are taken to.
type multiples struct {
	values []int64 // times 10^scale
	scale  int
}

// add takes one more, and tells whether it can be computed with.
func (m *multiples) add(value float64) bool {
	digits, fraction, _ := strings.Cut(strconv.FormatFloat(value, 'f', -1, 64), ".")
	n, err := strconv.ParseInt(digits+fraction, 10, 64)
	if err != nil || n <= 0 || n > maxMultiple || len(fraction) > maxScale {
		return false
	}
	for range m.scale - len(fraction) {
		n *= 10
	}
	for ; m.scale < len(fraction); m.scale++ {
		for i := range m.values {
			m.values[i] *= 10
		}
	}
	m.values = append(m.values, n)
	return true
}

// remainders is how many there are of their least common multiple, powers of ten
// aside: these cost a state for each zero. -1: more than can be counted.
func (m *multiples) remainders() int {
	common := int64(1)
	for _, n := range m.values {
		if n > maxMultiple {
			return -1
		}
		a, b := common, n
		for b != 0 {
			a, b = b, a%b
		}
		if common = common / a * n; common > maxMultiple {
			return -1
		}
	}
	for common%10 == 0 {
		common /= 10
	}
	return int(common)
}
