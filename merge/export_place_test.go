package merge

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
)

// put writes a file of an export to be, or of a folder.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

// alone says that a folder has one entry.
func alone(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, name, entries[0].Name())
}

func TestOnlyAnExportIsReplaced(t *testing.T) {
	for _, c := range []struct {
		name    string
		there   func(t *testing.T, dir string)
		replace bool
		taken   bool
	}{
		{"nothing is there", func(*testing.T, string) {}, false, false},
		{"nothing is there to replace", func(*testing.T, string) {}, true, false},
		{"an export", func(t *testing.T, dir string) { put(t, dir, RecipeFile, "{}") }, false, true},
		{"an export to replace", func(t *testing.T, dir string) { put(t, dir, RecipeFile, "{}") }, true, false},
		{"somebody's model", func(t *testing.T, dir string) { put(t, dir, "config.json", "{}") }, true, true},
		{"an empty folder", func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(dir, 0o755)) }, true, true},
		{"a file", func(t *testing.T, dir string) { put(t, filepath.Dir(dir), filepath.Base(dir), "") }, true, true},
		{"a link to an export", func(t *testing.T, dir string) {
			elsewhere := t.TempDir()
			put(t, elsewhere, RecipeFile, "{}")
			require.NoError(t, os.Symlink(elsewhere, dir))
		}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "merged")
			c.there(t, dir)
			before := filesOf(t, parent)
			p, err := openPlace(dir, c.replace)
			if c.taken {
				require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
				require.Equal(t, before, filesOf(t, parent))
				return
			}
			require.NoError(t, err)
			put(t, p.making, "config.json", "new")
			require.NoError(t, p.commit())
			p.close()
			require.Equal(t, map[string]string{"config.json": "new"}, filesOf(t, dir))
			alone(t, parent, "merged")
		})
	}
}

func TestWhatAKilledExportLeftIsRemoved(t *testing.T) {
	parent := t.TempDir()
	put(t, filepath.Join(parent, ".merged.mergeway-export", "folder"), "model.safetensors", "half")
	p, err := openPlace(filepath.Join(parent, "merged"), false)
	require.NoError(t, err)
	require.NoError(t, p.resume(t.Context(), "", nil))
	require.Empty(t, filesOf(t, parent))
	p.close()
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhatTheDiskRefusesIsToldAsItIs(t *testing.T) {
	for err, message := range map[error]string{
		unix.ENOSPC: "the disk is full", unix.EDQUOT: "the disk is full",
		unix.EACCES: "write x: permission denied", unix.EROFS: "write x: permission denied", unix.EIO: "write x",
		fault.New(fault.Damaged, "a bad sector"): "a bad sector",
	} {
		told := unavailable(&os.PathError{Op: "open", Path: "/x", Err: err}, "write %s", "x")
		require.ErrorIs(t, told, err)
		require.Contains(t, told.Error(), message)
	}
	require.NoError(t, unavailable(nil, "write"))
	require.Equal(t, fault.Unavailable, fault.CodeOf(enoughDisk(t.TempDir(), 1<<62)))
	require.NoError(t, enoughDisk(t.TempDir(), 1))
}

func TestOneExportAtATimeWritesToAPlace(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "merged")
	first, err := openPlace(dir, true)
	require.NoError(t, err)
	put(t, first.making, RecipeFile, "first")
	_, err = openPlace(dir, true)
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "merged is being written by another export")
	require.NoError(t, first.commit())
	first.close()

	second, err := openPlace(dir, true)
	require.NoError(t, err)
	put(t, second.making, RecipeFile, "second")
	require.NoError(t, second.commit())
	_, err = openPlace(dir, true)
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "the old folder is still to be removed")
	second.close()
	require.Equal(t, map[string]string{RecipeFile: "second"}, filesOf(t, dir))
	alone(t, parent, "merged")
}

func TestWhoComesFirstHasThePlace(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "merged")
	p, err := openPlace(dir, false)
	require.NoError(t, err)
	put(t, dir, "config.json", "somebody else's")
	require.Equal(t, fault.Conflict, fault.CodeOf(p.commit()))
	p.close()
	require.Equal(t, map[string]string{"config.json": "somebody else's"}, filesOf(t, dir))
	alone(t, parent, "merged")
}

func TestALinkIsNotFollowed(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	put(t, elsewhere, "precious", "data")
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(parent, ".merged.mergeway-export")))
	_, err := openPlace(filepath.Join(parent, "merged"), true)
	require.Equal(t, fault.Unavailable, fault.CodeOf(err), "%v", err)
	require.Equal(t, map[string]string{"precious": "data"}, filesOf(t, elsewhere))
}

func TestAFolderIsReplacedInSteps(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "merged")
	put(t, dir, RecipeFile, "old")
	put(t, filepath.Join(parent, ".merged.mergeway-export.old"), RecipeFile, "older")
	p, err := openPlace(dir, true)
	require.NoError(t, err)
	put(t, p.making, RecipeFile, "new")
	require.NoError(t, p.commitInSteps())
	p.close()
	require.Equal(t, map[string]string{RecipeFile: "new"}, filesOf(t, dir))
	alone(t, parent, "merged")
}
