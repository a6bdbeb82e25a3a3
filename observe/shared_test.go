package observe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSharedStoreIsReadAtTheScrape(t *testing.T) {
	m := NewMetrics()
	require.NotContains(t, scrape(t, m), "store_followed", "an embedded store is shared with nobody")
	followed, version := true, int64(41)
	m.WatchShared(func() (bool, int64) { return followed, version })
	got := scrape(t, m)
	require.Equal(t, "1", got["store_followed"])
	require.Equal(t, "41", got["store_version"])
	followed, version = false, 42
	got = scrape(t, m)
	require.Equal(t, "0", got["store_followed"])
	require.Equal(t, "42", got["store_version"])
}
