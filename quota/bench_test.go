package quota

import "testing"

// What a request pays to be counted.
func BenchmarkLocalTake(b *testing.B) {
	q, l := NewLocal(), Limits{Requests: Max, Tokens: Max, Concurrent: 1}
	for b.Loop() {
		v := q.Take(b.Context(), "bench", l)
		if v.Refused != "" {
			b.Fatal(v.Refused)
		}
		v.Release()
	}
}
