package merge

import (
	"github.com/mergeway/mergeway/infer/device"
)

// Executor merges models on a device. It keeps what later merges can use again:
// compiled programs, and for "ties" the rankings of the sources' entries. It is
// safe for concurrent use.
type Executor struct {
	programs programs
	rankings rankings
}

// NewExecutor makes an executor for models on the device.
func NewExecutor(dev *device.Device) *Executor {
	return &Executor{
		programs: programs{dev: dev},
		rankings: rankings{budget: DefaultRankingBytes},
	}
}

// Compilations counts the programs compiled so far. A search whose candidates
// differ in weights, densities and seeds only doesn't move it.
func (x *Executor) Compilations() int64 { return x.programs.compilations.Load() }

// Close frees what the executor keeps. Models it has made live on.
func (x *Executor) Close() {
	x.rankings.forgetAll()
	x.programs.close()
}
