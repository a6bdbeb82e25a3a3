package infer

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mergeway/mergeway/infer/device"
)

// inParallel calls work for 0..n-1 on all cores, and gives the error of each; a
// panic is an error, too.
func inParallel(n int, work func(i int) error) []error {
	failures := make([]error, n)
	one := func(i int) {
		failures[i] = device.Try("sample", func() error { return work(i) })
	}
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i := range n {
			one(i)
		}
		return failures
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				one(i)
			}
		})
	}
	all.Wait()
	return failures
}
