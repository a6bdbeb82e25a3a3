package merge

import (
	"sync"
	"sync/atomic"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
)

// programs compiles graphs and keeps the executables: one for each program and
// each list of tensor shapes it has met.
type programs struct {
	dev          *device.Device
	compilations atomic.Int64

	mu    sync.Mutex
	execs map[any]*graph.Exec
}

// builder makes the graph of a program.
type builder func([]*graph.Node) []*graph.Node

// exec gives the executable that key stands for.
func (p *programs) exec(key any, build builder) (*graph.Exec, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.execs[key]; ok {
		return e, nil
	}
	e, err := graph.NewExec(p.dev.Backend(), func(in []*graph.Node) []*graph.Node {
		p.compilations.Add(1)
		return build(in)
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "preparing a merge")
	}
	e.WithName("merge").SetMaxCache(-1) // as many shapes as the models have
	if p.execs == nil {
		p.execs = make(map[any]*graph.Exec)
	}
	p.execs[key] = e
	return e, nil
}

// run runs what key stands for. The arguments are tensors, which stay the
// caller's, or slices, which are copied to the device and freed there.
func (p *programs) run(key any, build builder, args []any) ([]*tensors.Tensor, error) {
	e, err := p.exec(key, build)
	if err != nil {
		return nil, err
	}
	var out []*tensors.Tensor
	err = device.Try("merging on the device", func() error {
		out, err = e.Exec(args...)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, device.CodeOf(err), "merging on %s", p.dev.Name())
	}
	return out, nil
}

// close frees the executables.
func (p *programs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.execs {
		e.Finalize()
	}
	p.execs = nil
}
