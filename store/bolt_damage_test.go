package store_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// stateFile is a state file of some pages, with records that no page holds alone.
func stateFile(t *testing.T) []byte {
	t.Helper()
	path := statePath(t)
	s, err := store.OpenBolt(path)
	require.NoError(t, err)
	for i := range 6 {
		body := fmt.Appendf(nil, `"%s"`, strings.Repeat(fmt.Sprint(i), 3000))
		_, err := s.PutRecipe(t.Context(), store.Recipe{ID: fmt.Sprint("r", i), Body: body})
		require.NoError(t, err)
		require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: fmt.Sprint("s", i)}, []store.Trial{{Number: i, Body: body}}))
	}
	require.NoError(t, s.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	return file
}

// use opens a state file and touches everything in it: the first error, if any.
func use(t *testing.T, file []byte) error {
	t.Helper()
	path := statePath(t)
	require.NoError(t, os.WriteFile(path, file, 0o600))
	s, err := store.OpenBolt(path)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	if _, err := s.ListRecipes(ctx); err != nil {
		return err
	}
	if _, err := s.ListAliases(ctx); err != nil {
		return err
	}
	if _, err := s.ListKeys(ctx); err != nil {
		return err
	}
	searches, err := s.ListSearches(ctx)
	if err != nil {
		return err
	}
	for _, search := range searches {
		if _, err := s.ListTrials(ctx, search.ID); err != nil {
			return err
		}
	}
	_, err = s.PutRecipe(ctx, store.Recipe{ID: "new"})
	return err
}

func TestBoltTruncatedFilesAreDamaged(t *testing.T) {
	file := stateFile(t)
	require.NoError(t, use(t, file))
	// bbolt allocates ahead: what is cut off last was never written.
	used := len(bytes.TrimRight(file, "\x00"))
	for _, size := range []int{1, 16, 100, 4095, 4096, 4097, 8191, 8192, 8193, 3 * 4096, used / 2, used / 4 * 3, used - 4096} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			require.Equal(t, fault.Damaged, fault.CodeOf(use(t, file[:size])))
		})
	}
}

func TestBoltGarbageIsDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 64<<10)
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	for name, file := range map[string][]byte{
		"noise": garbage, "zeros": make([]byte, 64<<10), "ones": bytes.Repeat([]byte{0xff}, 64<<10),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, fault.Damaged, fault.CodeOf(use(t, file)))
		})
	}
}

// Behind two intact headers nothing protects the pages but our guard: wherever
// they are broken, it is an error or it isn't noticed, and the process goes on.
func TestBoltBrokenPagesNeverPanic(t *testing.T) {
	file := stateFile(t)
	rng := rand.New(rand.NewPCG(3, 4))
	damaged := 0
	const page = 4096
	for at := 2 * page; at < len(file); at += page / 2 {
		for _, fill := range []func(i int) byte{
			func(int) byte { return 0 }, func(int) byte { return 0xff }, func(int) byte { return byte(rng.Uint32()) },
		} {
			broken := bytes.Clone(file)
			for i := range min(64, len(file)-at) {
				broken[at+i] = fill(i)
			}
			if err := use(t, broken); err != nil {
				require.Equal(t, fault.Damaged, fault.CodeOf(err), "at byte %d: %v", at, err)
				damaged++
			}
		}
	}
	require.Positive(t, damaged)
}
