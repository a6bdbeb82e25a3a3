package observe

import (
	"github.com/prometheus/client_golang/prometheus"
)

// WatchShared adds how a store is followed that is shared with other processes:
// whether now, and up to which version. It is called once.
func (m *Metrics) WatchShared(status func() (followed bool, version int64)) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: fullName(name), Help: help}, read))
	}
	gauge("store_followed", "1 while changes by other gateways are heard of, 0 while what is known is served without.", func() float64 {
		if followed, _ := status(); followed {
			return 1
		}
		return 0
	})
	gauge("store_version", "Changes of recipes, aliases and keys that are known here; gateways on one Redis agree.", func() float64 {
		_, version := status()
		return float64(version)
	})
}
