package checkpoint

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// model makes a folder with config.json and these files of tensors.
func model(t *testing.T, files map[string][]Tensor) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, ConfigFile, keys(nil))
	for name, tensors := range files {
		require.NoError(t, WriteSafetensors(filepath.Join(dir, name), tensors, nil))
	}
	return dir
}

// index writes model.safetensors.index.json.
func index(t *testing.T, dir string, where map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": where})
	require.NoError(t, err)
	put(t, dir, indexFile, data)
}

// sharded is few over two files.
func sharded(t *testing.T) string {
	t.Helper()
	dir := model(t, map[string][]Tensor{"one.safetensors": few()[:2], "two.safetensors": few()[2:]})
	where := map[string]string{}
	for i, tensor := range few() {
		where[tensor.Name] = map[bool]string{true: "one.safetensors", false: "two.safetensors"}[i < 2]
	}
	index(t, dir, where)
	return dir
}

func TestOpenReadsOneFileOrSeveral(t *testing.T) {
	for name, dir := range map[string]string{"one": model(t, map[string][]Tensor{WeightsFile: few()}), "several": sharded(t)} {
		t.Run(name, func(t *testing.T) {
			f, err := Open(dir)
			require.NoError(t, err)
			require.Equal(t, small(), f.Config())
			require.Equal(t, dir, f.Dir())
			require.Len(t, f.Tensors(), len(few()))
			for i, info := range f.Tensors()[1:] {
				require.Less(t, f.Tensors()[i].Name, info.Name)
			}
			for _, want := range few() {
				info, data, err := f.Tensor(want.Name)
				require.NoError(t, err)
				require.Equal(t, want.TensorInfo, info)
				require.Equal(t, string(want.Data), string(data))
			}
			_, _, err = f.Tensor("lm_head.weight")
			require.Equal(t, fault.Damaged, fault.CodeOf(err))
			require.ErrorContains(t, err, "lm_head.weight")
			require.NoError(t, f.Close())
		})
	}
}

func TestOpenDoesNotGiveBuffersAsWeights(t *testing.T) {
	dir := model(t, nil)
	put(t, dir, WeightsFile, file(`{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 8))
	f, err := Open(dir)
	require.NoError(t, err)
	defer f.Close()
	_, _, err = f.Tensor("ids")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, `"ids"`)
}

func TestOpenRefuses(t *testing.T) {
	elsewhere := t.TempDir()
	require.NoError(t, WriteSafetensors(filepath.Join(elsewhere, WeightsFile), few(), nil))
	put(t, elsewhere, ConfigFile, keys(nil))
	link := func(t *testing.T, dir, name string) {
		require.NoError(t, os.Symlink(filepath.Join(elsewhere, name), filepath.Join(dir, name)))
	}
	shard := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { index(t, dir, map[string]string{"half": name}) }
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		code fault.Code
		says string
	}{
		"no weights":                    {func(*testing.T, string) {}, fault.Damaged, "no model.safetensors"},
		"pickled weights only":          {func(t *testing.T, dir string) { put(t, dir, "pytorch_model.bin", []byte("x")) }, fault.Invalid, "safetensors"},
		"no config":                     {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, ConfigFile))) }, fault.Damaged, ConfigFile},
		"a broken config":               {func(t *testing.T, dir string) { put(t, dir, ConfigFile, []byte("{")) }, fault.Damaged, ConfigFile},
		"another architecture":          {func(t *testing.T, dir string) { put(t, dir, ConfigFile, []byte(`{"model_type":"gpt2"}`)) }, fault.Invalid, "model_type"},
		"broken weights":                {func(t *testing.T, dir string) { put(t, dir, WeightsFile, []byte("12345678")) }, fault.Damaged, WeightsFile},
		"weights that are a folder":     {func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(filepath.Join(dir, WeightsFile), 0o700)) }, fault.Damaged, WeightsFile},
		"weights linked from elsewhere": {func(t *testing.T, dir string) { link(t, dir, WeightsFile) }, fault.Invalid, "link out of"},
		"config linked from elsewhere": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, ConfigFile)))
			link(t, dir, ConfigFile)
		}, fault.Invalid, "link out of"},
		"a link in a circle": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink(WeightsFile, filepath.Join(dir, WeightsFile)))
		}, fault.Damaged, WeightsFile},
		"a shard above the folder":      {shard("../" + filepath.Base(elsewhere) + "/" + WeightsFile), fault.Invalid, "does not lie in"},
		"a shard by its full path":      {shard(filepath.Join(elsewhere, WeightsFile)), fault.Invalid, "does not lie in"},
		"a shard in a folder below":     {shard("below/" + WeightsFile), fault.Invalid, "does not lie in"},
		"a shard that is the folder":    {shard("."), fault.Invalid, "does not lie in"},
		"a shard that is the one above": {shard(".."), fault.Invalid, "does not lie in"},
		"a shard without a name":        {shard(""), fault.Invalid, "does not lie in"},
		"a shard that isn't there":      {shard("three.safetensors"), fault.Damaged, "three.safetensors"},
		"an index that does not parse":  {func(t *testing.T, dir string) { put(t, dir, indexFile, []byte(`{"weight_map":[]}`)) }, fault.Damaged, indexFile},
		"an index of nothing":           {func(t *testing.T, dir string) { put(t, dir, indexFile, []byte(`{}`)) }, fault.Damaged, "names no tensor"},
		"a tensor that no shard has": {func(t *testing.T, dir string) {
			require.NoError(t, WriteSafetensors(filepath.Join(dir, "one"), few()[:1], nil))
			index(t, dir, map[string]string{"half": "one", "lost": "one"})
		}, fault.Damaged, `"lost"`},
		"a tensor in another shard than said": {func(t *testing.T, dir string) {
			require.NoError(t, WriteSafetensors(filepath.Join(dir, "one"), few()[:1], nil))
			require.NoError(t, WriteSafetensors(filepath.Join(dir, "two"), few()[1:2], nil))
			index(t, dir, map[string]string{"half": "two", "brain": "one"})
		}, fault.Damaged, "it is not"},
		"a tensor in two shards": {func(t *testing.T, dir string) {
			require.NoError(t, WriteSafetensors(filepath.Join(dir, "one"), few()[:1], nil))
			require.NoError(t, WriteSafetensors(filepath.Join(dir, "two"), few()[:2], nil))
			index(t, dir, map[string]string{"half": "one", "brain": "two"})
		}, fault.Damaged, "more than one file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := model(t, nil)
			c.make(t, dir)
			_, err := Open(dir)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
	t.Run("no folder", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "x"))
		require.Equal(t, fault.Damaged, fault.CodeOf(err))
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

func TestOpenFollowsLinksInsideAndToTheFolder(t *testing.T) {
	dir := model(t, map[string][]Tensor{"blob": few()})
	require.NoError(t, os.Symlink("blob", filepath.Join(dir, WeightsFile)))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	f, err := Open(link)
	require.NoError(t, err)
	require.Len(t, f.Tensors(), len(few()))
	require.NoError(t, f.Close())
}

func TestReadSmallHasALimit(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "x", []byte("12345"))
	data, err := ReadSmall(dir, "x", 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(data))
	_, err = ReadSmall(dir, "x", 4)
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	_, err = ReadSmall(dir, "y", 4)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ReadSmall(dir, "../"+filepath.Base(dir)+"/x", 5)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func digest(t *testing.T, dir string) string {
	t.Helper()
	f, err := Open(dir)
	require.NoError(t, err)
	defer f.Close()
	d, err := f.Digest()
	require.NoError(t, err)
	again, err := f.Digest()
	require.NoError(t, err)
	require.Equal(t, d, again)
	return d
}

func TestDigestIsOfTheContentWhereverItLies(t *testing.T) {
	want := digest(t, model(t, map[string][]Tensor{WeightsFile: few()}))
	require.Regexp(t, "^blake3:[0-9a-f]{64}$", want)
	require.Equal(t, want, digest(t, sharded(t)))

	// The same config in other words, and a file that says nothing about the model.
	reworded := sharded(t)
	put(t, reworded, ConfigFile, []byte(strings.Replace(string(keys(map[string]any{"use_cache": true, "head_dim": 8})), "torch_dtype", "dtype", 1)))
	put(t, reworded, "README.md", []byte("read me"))
	require.Equal(t, want, digest(t, reworded))

	for name, change := range map[string]func(tensors []Tensor){
		"a byte":     func(all []Tensor) { all[0].Data = []byte("abce") },
		"a name":     func(all []Tensor) { all[0].Name = "Half" },
		"a shape":    func(all []Tensor) { all[0].Shape = []int{1, 2} },
		"a dtype":    func(all []Tensor) { all[0].DType = few()[1].DType },
		"two places": func(all []Tensor) { all[0].Name, all[1].Name = all[1].Name, all[0].Name },
	} {
		t.Run(name, func(t *testing.T) {
			tensors := few()
			change(tensors)
			require.NotEqual(t, want, digest(t, model(t, map[string][]Tensor{WeightsFile: tensors})))
		})
	}
	t.Run("a config key", func(t *testing.T) {
		dir := model(t, map[string][]Tensor{WeightsFile: few()})
		put(t, dir, ConfigFile, keys(map[string]any{"rope_theta": 10000}))
		require.NotEqual(t, want, digest(t, dir))
	})
}

func TestDigestOfAClosedFolderIsAnError(t *testing.T) {
	dir := model(t, map[string][]Tensor{WeightsFile: few()})
	f, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = f.Digest()
	require.ErrorContains(t, err, "closed")

	f, err = Open(dir)
	require.NoError(t, err)
	want, err := f.Digest()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err := f.Digest()
	require.NoError(t, err)
	require.Equal(t, want, got, "what was computed stays known")
}
