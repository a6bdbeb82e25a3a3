package task

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// uploaded are the files of a task.
func uploaded(name, answer string) Files {
	return Files{
		YAML:   []byte("name: " + name + "\nmetric: exact_match\n"),
		Splits: map[Split][]byte{Test: []byte(`{"id":"1","question":"q","answer":"` + answer + `"}`)},
	}
}

// shelves are two shelves on one store, as two processes have them, beside a
// folder with the task "sums".
func shelves(t *testing.T, limit int) (here, there *Shelf) {
	t.Helper()
	root := t.TempDir()
	write(t, root, good())
	bolt, err := store.OpenBolt(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = bolt.Close() })
	return NewShelf(NewLibrary(root, Loader{}), Loader{}, bolt, limit), NewShelf(NewLibrary(root, Loader{}), Loader{}, bolt, limit)
}

func TestAnUploadedTaskIsKnownEverywhere(t *testing.T) {
	here, there := shelves(t, 10)
	put, made, err := here.Put(t.Context(), uploaded("mine", "a"))
	require.NoError(t, err)
	require.True(t, made)
	got, err := there.Get(t.Context(), "mine")
	require.NoError(t, err)
	require.Equal(t, put.Digest, got.Digest)
	require.Equal(t, put.Problems(Test), got.Problems(Test))
	again, err := there.Get(t.Context(), "mine")
	require.NoError(t, err)
	require.Same(t, got, again, "it is read once")

	sums, err := here.Get(t.Context(), "sums")
	require.NoError(t, err)
	require.Equal(t, 2, sums.Count(Search))
	all, err := there.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, []string{"mine", "sums"}, []string{all[0].Name, all[1].Name})
	require.Equal(t, []bool{true, false}, []bool{all[0].Uploaded, all[1].Uploaded})

	same, made, err := there.Put(t.Context(), uploaded("mine", "a"))
	require.NoError(t, err)
	require.False(t, made, "the same again changes nothing")
	require.Equal(t, put.Digest, same.Digest)

	require.NoError(t, there.Delete(t.Context(), "mine"))
	for _, s := range []*Shelf{here, there} {
		_, err = s.Get(t.Context(), "mine")
		require.Equal(t, fault.NotFound, fault.CodeOf(err))
		require.Equal(t, fault.NotFound, fault.CodeOf(s.Delete(t.Context(), "mine")))
	}
	_, _, err = there.Put(t.Context(), uploaded("mine", "b"))
	require.NoError(t, err)
	got, err = here.Get(t.Context(), "mine")
	require.NoError(t, err)
	require.Equal(t, "b", got.Problems(Test)[0].Answer, "another task has the name now")
}

func TestUploadsThatAreRefused(t *testing.T) {
	here, _ := shelves(t, 1)
	_, _, err := here.Put(t.Context(), uploaded("mine", "a"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		files Files
		code  fault.Code
		param string
		want  string
	}{
		"another of the name":  {uploaded("mine", "b"), fault.Conflict, "yaml", "another task mine"},
		"a name of the folder": {uploaded("sums", "a"), fault.Conflict, "yaml", "in the server's folder"},
		"too many":             {uploaded("yours", "a"), fault.Conflict, "", "1 tasks are uploaded"},
		"no name":              {uploaded("../x", "a"), fault.Invalid, "yaml", "task.yaml:1: name"},
		"a broken split":       {Files{YAML: []byte("name: x"), Splits: map[Split][]byte{Validation: []byte("{")}}, fault.Invalid, "validation", "validation.jsonl:1"},
	} {
		_, _, err := here.Put(t.Context(), c.files)
		var f *fault.Error
		require.True(t, errors.As(err, &f), name)
		require.Equal(t, c.code, f.Code, name)
		require.Equal(t, c.param, f.Param, name)
		require.ErrorContains(t, err, c.want, name)
	}
	require.Equal(t, fault.Conflict, fault.CodeOf(here.Delete(t.Context(), "sums")))
	require.Equal(t, fault.NotFound, fault.CodeOf(here.Delete(t.Context(), "../x")))
	_, err = here.Get(t.Context(), "../x")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestAnUploadThatWasDamagedSaysSo(t *testing.T) {
	here, there := shelves(t, 10)
	_, _, err := here.Put(t.Context(), uploaded("mine", "a"))
	require.NoError(t, err)
	bolt := here.store.(*store.Bolt)
	require.NoError(t, bolt.PutDocument(t.Context(), store.Document{Kind: shelfKind, ID: "mine", Body: []byte(`{"digest":"other"}`), Data: []byte("junk")}))
	_, err = there.Get(t.Context(), "mine")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	all, err := there.List(t.Context())
	require.NoError(t, err)
	require.Error(t, all[0].Err)
}
