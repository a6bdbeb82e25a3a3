package infer_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// BenchmarkPath tells what the first path of a length costs before it answers, and
// how much longer an answer takes for each hop: the price of compiling for every
// length, against that of padding paths to fewer lengths with hops that do nothing.
// It asks as a search does: many questions at once, in the background.
func BenchmarkPath(b *testing.B) {
	m := miniature(b, "base", dtypes.InvalidDType)
	for _, hops := range []int{4, 6, 8, 16, 32} {
		b.Run(fmt.Sprintf("hops=%d", hops), func(b *testing.B) {
			steps := make([]step, hops)
			for i := range steps {
				steps[i] = step{m.Name, i % 4, 0.9}
			}
			p := path(b, map[string]*infer.Model{m.Name: m}, steps)
			e := engine(b, infer.Options{Slots: 64})
			requests := make([]infer.Request, 64)
			for i := range requests {
				prompt := make([]int32, 24+i%16)
				for k := range prompt {
					prompt[k] = int32(3 + (k*7+i)%500)
				}
				requests[i] = greedy(prompt, 24)
				requests[i].Background = true
			}
			ask := func() {
				_, err := e.Generate(b.Context(), p, requests)
				require.NoError(b, err)
			}
			began := b.Elapsed()
			ask()
			first := b.Elapsed() - began
			compiled := e.Compilations()
			b.ResetTimer()
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(compiled), "programs")
			b.ReportMetric(first.Seconds(), "s/first")
		})
	}
}
