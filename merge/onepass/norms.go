package onepass

/*
#include "kernel.h"
*/
import "C"

import "context"

// Norms adds up the sizes of the entries of a source's difference from the base, or
// their squares: of all, and of those that the merge keeps. The sums are the same
// however many threads there are.
func (m Merge) Norms(ctx context.Context, source int, squares bool) (before, after float64, err error) {
	m.Sources = m.Sources[source : source+1]
	prepared := m.prepared()
	sums := make([][2]C.double, (m.Entries+piece-1)/piece)
	err = inPieces(ctx, []int{m.Entries}, func(_, _, from, to int) {
		C.onepass_norms(&prepared, C.bool(squares), C.size_t(from), C.size_t(to), &sums[from/piece][0])
	})
	for _, s := range sums {
		before, after = before+float64(s[0]), after+float64(s[1])
	}
	return before, after, err
}
