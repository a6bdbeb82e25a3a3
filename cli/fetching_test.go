package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/gateway/fetch"
)

func TestSettingsOfFetching(t *testing.T) {
	s := newServeSettings()
	flags := s.flags()
	defaults := s.fetching()
	require.Empty(t, defaults.Hosts, "nothing is fetched unless somebody says so")
	require.False(t, defaults.HTTP)
	require.NoError(t, flags.Parse([]string{
		"--picture-hosts", "images.example.com,*.example.org:8443", "--picture-http", "--max-picture-bytes", "1",
		"--max-picture-header-bytes", "2", "--max-picture-url-bytes", "3", "--max-picture-redirects", "4",
		"--picture-timeout", "5s", "--picture-stall-timeout", "6s",
	}))
	require.Equal(t, fetch.Options{
		Hosts: []string{"images.example.com", "*.example.org:8443"}, HTTP: true,
		Bytes: 1, HeaderBytes: 2, URLBytes: 3, Redirects: 4, Timeout: 5 * time.Second, Stall: 6 * time.Second,
	}, s.fetching())
}
