package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/config"
)

// What deploys the program sets variables that it reads: a misspelled one would be
// ignored in silence.
func TestDeploymentsSetVariablesThatExist(t *testing.T) {
	known := map[string]bool{"MERGEWAY_CACHE": true} // read by the scripts that build
	newServe("test").Flags().VisitAll(func(f *pflag.Flag) { known[config.EnvName(f.Name)] = true })
	variable := regexp.MustCompile(`\bMERGEWAY_[A-Z_]+`)
	found := 0
	check := func(path string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range variable.FindAllString(string(text), -1) {
			found++
			require.True(t, known[name], "%s sets %s, which nothing reads", path, name)
		}
	}
	check("../Dockerfile")
	require.NoError(t, filepath.WalkDir("../deploy", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			check(path)
		}
		return err
	}))
	require.Greater(t, found, 10)
}
