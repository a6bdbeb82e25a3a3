package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// writerEnv makes the test binary a writer: see TestMain.
const writerEnv = "MERGEWAY_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		fmt.Fprintln(os.Stderr, write(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// write makes one checkpoint after the other, and after each acknowledgement
// says its number. It never ends by itself.
func write(path string) error {
	s, err := store.OpenBolt(path)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if err := s.PutSearchWithTrials(context.Background(), checkpoint(n), checkpointTrials(n)); err != nil {
			return err
		}
		if _, err := s.PutAlias(context.Background(), "a", store.To(fmt.Sprint(n)), checkpoint(n).CreatedAt); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

func checkpoint(n int) store.Search { return store.Search{ID: "s", State: fmt.Sprint(n)} }

func checkpointTrials(n int) []store.Trial {
	return []store.Trial{{SearchID: "s", Number: 2 * n, Body: fmt.Append(nil, n)}, {SearchID: "s", Number: 2*n + 1, Body: fmt.Append(nil, n)}}
}

func TestBoltLosesNothingAcknowledgedWhenKilled(t *testing.T) {
	for _, acknowledged := range []int{1, 7, 40} {
		t.Run(fmt.Sprint("after ", acknowledged), func(t *testing.T) {
			path := statePath(t)
			last := killAfter(t, path, acknowledged)
			require.GreaterOrEqual(t, last, acknowledged)
			s := openBolt(t, path)

			search, err := s.GetSearch(t.Context(), "s")
			require.NoError(t, err)
			var found int
			_, err = fmt.Sscan(search.State, &found)
			require.NoError(t, err)
			require.GreaterOrEqual(t, found, last)
			require.LessOrEqual(t, found, last+1, "one may be written and not acknowledged")
			var want []store.Trial
			for n := 1; n <= found; n++ {
				want = append(want, checkpointTrials(n)...)
			}
			trials, err := s.ListTrials(t.Context(), "s")
			require.NoError(t, err)
			require.Equal(t, want, trials, "a checkpoint is there with all of its trials")
			alias, err := s.GetAlias(t.Context(), "a")
			require.NoError(t, err)
			require.Contains(t, []string{fmt.Sprint(found - 1), fmt.Sprint(found)}, alias.Target)
			_, err = s.GetRecipe(t.Context(), "r")
			require.Equal(t, fault.NotFound, fault.CodeOf(err))
		})
	}
}

// killAfter runs a writer, kills it when it has acknowledged so many
// checkpoints, and gives the last one that it has.
func killAfter(t *testing.T, path string, acknowledged int) int {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(self)
	child.Env = append(os.Environ(), writerEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	last := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		_, err := fmt.Sscan(lines.Text(), &last)
		require.NoError(t, err)
		if last == acknowledged {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "it was killed")
	require.Equal(t, -1, child.ProcessState.ExitCode(), "by a signal")
	return last
}
