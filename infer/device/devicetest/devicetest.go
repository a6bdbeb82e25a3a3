package devicetest

import (
	"sync"
	"testing"

	"github.com/mergeway/mergeway/infer/device"
)

var shared = sync.OnceValues(func() (*device.Device, error) {
	return device.Open(device.Options{})
})

// Open gives the shared CPU device, or fails the test with what to do about it.
// The device lives as long as the test binary: tests must not close it.
func Open(t testing.TB) *device.Device {
	t.Helper()
	d, err := shared()
	if err != nil {
		t.Fatalf("no device to test on: %v", err)
	}
	return d
}
