package device

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPluginsAreGivenByPath(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	cpu := filepath.Join(second, "pjrt_c_api_cpu_plugin.so")
	require.NoError(t, os.WriteFile(cpu, nil, 0o644))
	dirs := first + string(filepath.ListSeparator) + second
	for _, c := range []struct{ backend, want string }{
		{"xla:cpu", "xla:" + cpu},
		{"xla:cpu,preallocate=false", "xla:" + cpu + ",preallocate=false"},
		{"xla:cuda", "xla:cuda"}, // not there: go-xla says so
		{"xla:/opt/other.so", "xla:/opt/other.so"},
		{"xla", "xla"},
		{"go", "go"},
	} {
		require.Equal(t, c.want, withPluginPath(c.backend, dirs), c.backend)
	}
}

func TestPluginFolderComesFromFlagEnvironmentOrCache(t *testing.T) {
	t.Setenv(cacheEnv, "/cache")
	t.Setenv(pluginPathEnv, "/env")
	for _, c := range []struct{ asked, env, want string }{
		{"/asked", "/env", "/asked"},
		{"", "/env", "/env"},
		{"", "", "/cache/native/lib:/cache/native/lib/nvidia"},
	} {
		t.Setenv(pluginPathEnv, c.env)
		got, err := pluginDir(c.asked)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}
