package gateway

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/fleet"
)

type fakeWorkers struct {
	members []fleet.Member
	err     error
}

func (f fakeWorkers) Workers(context.Context) ([]fleet.Member, error) { return f.members, f.err }

func TestWorkersAreListed(t *testing.T) {
	var got WorkerList
	newBench(t).send("GET", "/v1/workers", "").into(t, &got)
	require.Empty(t, got.Data, "there is no fleet")

	with := func(f fakeWorkers) *bench { return newBench(t, func(o *Options) { o.Workers = f }) }
	with(fakeWorkers{members: []fleet.Member{{ID: "w", Name: "host/1", Role: fleet.RoleWorker, Slots: 2, Version: "v1", Numerics: "exact", JoinedAt: epoch}}}).
		send("GET", "/v1/workers", "").into(t, &got)
	require.Equal(t, []Worker{{ID: "w", Object: "worker", Name: "host/1", Version: "v1", Numerics: "exact", Slots: 2, Joined: epoch.Unix()}}, got.Data)

	with(fakeWorkers{err: fault.New(fault.Unavailable, "Redis is out of reach")}).
		send("GET", "/v1/workers", "").requireError(t, 503, "unavailable", "")
}
