package infer

import "github.com/mergeway/mergeway/infer/device"

// NewStill makes an engine without its loop: a test gives it its turns.
func NewStill(dev *device.Device, o Options) *Engine { return newEngine(dev, o) }

// Turn is a turn of the loop.
func (e *Engine) Turn() { e.turn() }

// Stop ends what the engine holds.
func (e *Engine) Stop(err error) {
	e.endAll(err)
	e.programs.close()
}
