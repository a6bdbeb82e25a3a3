package device

import (
	"sync"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/fault"
)

// shared are programs that live as long as the device.
type shared struct {
	mu    sync.Mutex
	execs map[string]*graph.Exec
}

// Program gives the program of a name that every model shares, and that is freed
// with the device; build makes it when it is first asked for, and again for each
// list of argument shapes.
func (d *Device) Program(name string, build func([]*graph.Node) []*graph.Node) (*graph.Exec, error) {
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	if e := d.shared.execs[name]; e != nil {
		return e, nil
	}
	e, err := graph.NewExec(d.backend, build)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "preparing the program %q", name)
	}
	e.WithName(name).SetMaxCache(-1) // as many shapes as the models have
	if d.shared.execs == nil {
		d.shared.execs = map[string]*graph.Exec{}
	}
	d.shared.execs[name] = e
	return e, nil
}

// close frees them.
func (s *shared) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.execs {
		e.Finalize()
	}
	s.execs = nil
}
