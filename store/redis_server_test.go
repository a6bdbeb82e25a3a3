package store_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
	"github.com/mergeway/mergeway/store/storetest"
)

func TestRedisKeepsTheContractOnARealServer(t *testing.T) {
	server := redistest.Start(t)
	databases := 0
	storetest.Run(t, func(t *testing.T) store.Store { // each test has a database of the server
		databases++
		return openRedis(t, fmt.Sprint(server.Addr, "/", databases))
	})
}

func TestRedisKeepsEverythingWhenTheServerIsKilled(t *testing.T) {
	server := redistest.Start(t)
	s := openRedis(t, server.Addr)
	storetest.RequireAllIsThereAfter(t, s, func() store.Store {
		server.Kill()
		server.Restart(t)
		return openRedis(t, server.Addr)
	})
}

func TestRedisLosesNothingWhenTheServerIsKilled(t *testing.T) {
	server := redistest.Start(t)
	s := openRedis(t, server.Addr)
	appendOnly, err := s.AppendOnly(t.Context())
	require.NoError(t, err)
	require.True(t, appendOnly)
	const checkpoints = 20
	for n := 1; n <= checkpoints; n++ {
		require.NoError(t, s.PutSearchWithTrials(t.Context(), checkpoint(n), checkpointTrials(n)))
	}
	server.Kill()
	require.Equal(t, fault.Unavailable, fault.CodeOf(s.Ping(t.Context())))
	server.Restart(t)
	search, err := s.GetSearch(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, checkpoint(checkpoints).State, search.State)
	_, total, err := s.PageTrials(t.Context(), "s", 0, 1)
	require.NoError(t, err)
	require.Equal(t, 2*checkpoints, total)
}

func TestRedisMovesOnARealServerLoseNoHistory(t *testing.T) {
	server := redistest.Start(t)
	storetest.RequireNoMoveIsLost(t, openRedis(t, server.Addr), openRedis(t, server.Addr))
}
