package cli

import (
	"context"
	"sync"

	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/quota"
)

// openAccess opens what decides who may use the API, and how often. It is closed
// with the rooms.
func (s *serveSettings) openAccess(ctx context.Context, r *rooms) (*keys.Ring, gateway.Quota, error) {
	ring, err := keys.Open(ctx, r.store, s.Keys, r.log)
	if err != nil {
		return nil, nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // requests outlive ctx
	var ended sync.WaitGroup
	ended.Go(func() { ring.Run(running) })
	r.onClose(func() { stop(); ended.Wait() })
	if s.Redis == "" {
		return ring, quota.NewLocal(), nil
	}
	shared, err := quota.OpenShared(s.Redis, r.log)
	if err != nil {
		return nil, nil, err
	}
	r.onClose(func() { _ = shared.Close() })
	return ring, shared, nil
}
