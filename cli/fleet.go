package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/fleet"
	"github.com/mergeway/mergeway/store"
)

// bindFleet adds the settings that gateways and workers share.
func (s *settings) bindFleet(f *pflag.FlagSet) {
	config.Section(f, stateSection, func(f *pflag.FlagSet) {
		f.DurationVar(&s.WorkerTTL, "worker-ttl", fleet.DefaultTTL, "how long a worker that is not heard of keeps its trials, before another tries them")
	})
}

// openFleet connects to the Redis where the fleet meets.
func (s *settings) openFleet(r *rooms) (*redis.Client, error) {
	o, err := store.RedisOptions(s.Redis)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(o)
	r.onClose(func() { _ = client.Close() })
	return client, nil
}

// workersOf gives the end of the gateway's lab that knows workers, if it has any.
func workersOf(lab search.Lab) gateway.Workers {
	if l, shared := lab.(*fleet.Lab); shared {
		return l
	}
	return nil
}

// member tells of this process, still without its models.
func (r *rooms) member(version string) fleet.Member {
	host, err := os.Hostname() // only people read it
	if err != nil {
		host = "somewhere"
	}
	return fleet.Member{
		ID: rand.Text(), Name: fmt.Sprintf("%s/%d", host, os.Getpid()),
		Version: version, Numerics: r.device.Numerics(), JoinedAt: time.Now().UTC(),
	}
}

// openLab lets workers try the candidates of searches, if there is a Redis where
// they can be found.
func (s *serveSettings) openLab(ctx context.Context, r *rooms, version string) (search.Lab, error) {
	if s.Redis == "" {
		return r.lab, nil
	}
	client, err := s.openFleet(r)
	if err != nil {
		return nil, err
	}
	self := r.member(version)
	// What the models hold takes a while to read, and only workers that come ask.
	var models atomic.Pointer[map[string]string]
	go func() {
		if digests, err := r.catalog.SourceDigests(ctx); err == nil {
			models.Store(&digests)
		}
	}()
	lab, err := fleet.NewLab(ctx, fleet.LabOptions{
		Local: r.lab, Redis: client, Models: r.catalog, Logger: r.log, TTL: s.WorkerTTL, WorkersOnly: s.WorkersOnly,
		Self: func() fleet.Member {
			m := self
			if known := models.Load(); known != nil {
				m.Models = *known
			}
			return m
		},
	})
	if err != nil {
		return nil, err
	}
	r.onClose(lab.Close)
	return lab, nil
}
