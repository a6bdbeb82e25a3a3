package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/storetest"
)

// openBolt opens the file at path, and closes it with the test.
func openBolt(t *testing.T, path string) *store.Bolt {
	t.Helper()
	s, err := store.OpenBolt(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func statePath(t *testing.T) string { return filepath.Join(t.TempDir(), "state.db") }

func TestBoltKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openBolt(t, statePath(t)) })
}

func TestBoltKeepsEverythingWhenClosed(t *testing.T) {
	path := statePath(t)
	s := openBolt(t, path)
	storetest.RequireAllIsThereAfter(t, s, func() store.Store {
		require.NoError(t, s.Close())
		return openBolt(t, path)
	})
}

func TestBoltMakesTheFoldersAboveItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "state.db")
	openBolt(t, path)
	stat, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode().Perm(), "nobody else's business")
}

func TestBoltFileIsHeldByOneAtATime(t *testing.T) {
	path := statePath(t)
	first := openBolt(t, path)
	_, err := store.OpenBolt(path)
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "in use by another process")
	require.True(t, store.InUse(err))
	require.False(t, store.InUse(nil))
	require.NoError(t, first.Ping(t.Context()))
	require.NoError(t, first.Close())
	require.NoError(t, openBolt(t, path).Ping(t.Context()))
}

func TestBoltWhereNoFileCanBe(t *testing.T) {
	file := statePath(t)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, path := range map[string]string{
		"below a file": filepath.Join(file, "state.db"),
		"a folder":     t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.OpenBolt(path)
			require.Equal(t, fault.Unavailable, fault.CodeOf(err), "%v", err)
		})
	}
}

func TestBoltRefusesFilesThatAreNotItsOwn(t *testing.T) {
	foreign := func(change func(tx *bolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(change))
			require.NoError(t, db.Close())
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		says string
	}{
		"of another program": {foreign(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("theirs"))
			return err
		}), "another program"},
		"of a later version": {foreign(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("mergeway"))
			if err != nil {
				return err
			}
			return b.Put([]byte("format"), []byte("2"))
		}), `format "2"`},
		"text": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("method: ties\n"), 0o600))
		}, "state.db"},
	} {
		t.Run(name, func(t *testing.T) {
			path := statePath(t)
			c.make(t, path)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = store.OpenBolt(path)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after, "what isn't ours is left alone")
		})
	}
}

// Files of a mergeway that knew no keys, say, get what they lack.
func TestBoltFileWithoutSomeBucketsGetsThem(t *testing.T) {
	path := statePath(t)
	s := openBolt(t, path)
	_, err := s.PutRecipe(t.Context(), store.Recipe{ID: "r"})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	db, err := bolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("keys")), tx.DeleteBucket([]byte("responses")), tx.DeleteBucket([]byte("response order")))
	}))
	require.NoError(t, db.Close())

	s = openBolt(t, path)
	require.NoError(t, s.PutKey(t.Context(), store.Key{ID: "k"}))
	require.NoError(t, s.PutResponse(t.Context(), store.Response{ID: "r", ExpiresAt: time.Now().Add(time.Hour)}, 1))
	_, err = s.GetRecipe(t.Context(), "r")
	require.NoError(t, err)
}
