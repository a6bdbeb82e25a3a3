package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"
)

// writeAll writes all files of a model's weights.
func writeAll(dir string, infos []TensorInfo, shardBytes int64, data func(TensorInfo) ([]byte, error)) error {
	shards := Shards(infos, shardBytes)
	for _, s := range shards {
		sum, err := WriteShard(dir, s, data)
		if err != nil {
			return err
		}
		read, err := SumFile(filepath.Join(dir, s.Name))
		if err != nil {
			return err
		}
		if read != sum || sum.Bytes == 0 {
			return fmt.Errorf("%s: written %v, read %v", s.Name, sum, read)
		}
	}
	return WriteIndex(dir, shards)
}

func TestWeightsAreDividedIntoFiles(t *testing.T) {
	var infos []TensorInfo
	for _, size := range []int{10, 20, 30, 100, 5} { // floats
		infos = append(infos, TensorInfo{Name: fmt.Sprintf("t%d", len(infos)), DType: dtypes.Float32, Shape: []int{size}})
	}
	content := func(info TensorInfo) ([]byte, error) {
		data := make([]byte, info.StoredBytes())
		for i := range data {
			data[i] = info.Name[1] + byte(i)
		}
		return data, nil
	}
	for _, c := range []struct {
		limit  int64
		shards [][]string
	}{
		{4 * 165, [][]string{{"t0", "t1", "t2", "t3", "t4"}}},
		{4 * 160, [][]string{{"t0", "t1", "t2", "t3"}, {"t4"}}},
		{4 * 60, [][]string{{"t0", "t1", "t2"}, {"t3"}, {"t4"}}},
		{1, [][]string{{"t0"}, {"t1"}, {"t2"}, {"t3"}, {"t4"}}},
	} {
		t.Run(fmt.Sprint(c.limit), func(t *testing.T) {
			dir := t.TempDir()
			config := `{"model_type": "mistral", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
				"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32, "max_position_embeddings": 64}`
			require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(config), 0o644))
			require.NoError(t, writeAll(dir, infos, c.limit, content))
			for i, want := range c.shards {
				name := WeightsFile
				if len(c.shards) > 1 {
					name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(c.shards))
				}
				file, err := OpenSafetensors(filepath.Join(dir, name))
				require.NoError(t, err)
				require.Equal(t, want, file.Names())
				require.NoError(t, file.Close())
			}
			folder, err := Open(dir) // by the index, where there is one
			require.NoError(t, err)
			defer folder.Close()
			require.Equal(t, infos, folder.Tensors())
			for _, info := range infos {
				_, data, err := folder.Tensor(info.Name)
				require.NoError(t, err)
				want, _ := content(info)
				require.Equal(t, want, data)
			}
		})
	}
}

func TestWeightsThatCanNotBeWritten(t *testing.T) {
	twice := []TensorInfo{{Name: "a", DType: dtypes.Float32, Shape: []int{4}}, {Name: "a", DType: dtypes.Float32, Shape: []int{4}}}
	full := func(info TensorInfo) ([]byte, error) { return make([]byte, info.StoredBytes()), nil }
	require.ErrorContains(t, writeAll(t.TempDir(), twice, 1, full), "comes twice")
	require.ErrorContains(t, writeAll(t.TempDir(), twice, 1<<20, full), "comes twice")

	dir, gone := t.TempDir(), errors.New("the device is gone")
	require.ErrorIs(t, writeAll(dir, twice[:1], 1, func(TensorInfo) ([]byte, error) { return nil, gone }), gone)
	require.ErrorContains(t, writeAll(dir, twice[:1], 1, func(TensorInfo) ([]byte, error) { return []byte{1}, nil }), "takes 16 bytes, got 1")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestASumTellsFilesApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	sum := func(data string) Sum {
		require.NoError(t, os.WriteFile(path, []byte(data), 0o644))
		s, err := SumFile(path)
		require.NoError(t, err)
		return s
	}
	require.Equal(t, Sum{Bytes: 9, CRC32C: 0xe3069283}, sum("123456789"), "the check value of CRC-32C")
	for _, other := range []string{"", "12345678", "123456780", "1234567890"} {
		require.NotEqual(t, sum("123456789"), sum(other))
	}
	_, err := SumFile(path + ".gone")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What the disk is asked to begin with is no other than what is written.
func TestALargeFileIsFlushedAsItIsWritten(t *testing.T) {
	info := TensorInfo{Name: "t0", DType: dtypes.BFloat16, Shape: []int{flushEvery}} // two bytes each
	data := make([]byte, info.StoredBytes())
	for i := range data {
		data[i] = byte(i >> 20)
	}
	require.NoError(t, writeAll(t.TempDir(), []TensorInfo{info}, 1, func(TensorInfo) ([]byte, error) { return data, nil }))
}
