package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// command runs the program to its end.
func command(t *testing.T, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

// succeed is command for those that must.
func succeed(t *testing.T, env []string, args ...string) string {
	t.Helper()
	code, out, errs := command(t, env, args...)
	require.Zero(t, code, errs)
	return out
}
