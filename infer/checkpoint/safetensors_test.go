package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
)

// file is a safetensors file with this header and so many bytes of data.
func file(header string, data int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	for i := range data {
		out = append(out, byte(i))
	}
	return out
}

// reading writes a file and opens it.
func reading(t testing.TB, data []byte) (*Safetensors, error) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, WeightsFile, data)
	s, err := OpenSafetensors(filepath.Join(dir, WeightsFile))
	if err == nil {
		t.Cleanup(func() { require.NoError(t, s.Close()) })
	}
	return s, err
}

// few are tensors of each dtype and some odd shapes.
func few() []Tensor {
	tensor := func(name string, d dtypes.DType, data string, shape ...int) Tensor {
		return Tensor{TensorInfo{Name: name, DType: d, Shape: shape}, []byte(data)}
	}
	return []Tensor{
		tensor("half", dtypes.Float16, "abcd", 2),
		tensor("brain", dtypes.BFloat16, "0123456789ab", 3, 2),
		tensor("single", dtypes.Float32, "SINGLE__", 1, 2, 1),
		tensor("scalar", dtypes.Float32, "NaN!"),
		tensor("empty", dtypes.Float32, "", 0, 7),
		tensor("名前 \"<&>\" \u2028", dtypes.Float16, "xy", 1),
	}
}

func TestSafetensorsAreReadBackAsTheyWereWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), WeightsFile)
	require.NoError(t, WriteSafetensors(path, few(), map[string]string{"format": "pt"}))
	s, err := OpenSafetensors(path)
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, []string{"brain", "empty", "half", "scalar", "single", "名前 \"<&>\" \u2028"}, s.Names())
	for _, want := range few() {
		info, data, ok := s.Tensor(want.Name)
		require.True(t, ok)
		require.Equal(t, want.TensorInfo, info)
		require.Equal(t, string(want.Data), string(data))
	}
	_, _, ok := s.Tensor("__metadata__")
	require.False(t, ok)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing twice")
}

func TestWrittenSafetensorsAreTheSameInAnyOrderAndAligned(t *testing.T) {
	dir := t.TempDir()
	tensors := few()
	require.NoError(t, WriteSafetensors(filepath.Join(dir, "a"), tensors, nil))
	for i, j := 0, len(tensors)-1; i < j; i, j = i+1, j-1 {
		tensors[i], tensors[j] = tensors[j], tensors[i]
	}
	require.NoError(t, WriteSafetensors(filepath.Join(dir, "b"), tensors, nil))
	a, err := os.ReadFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(dir, "b"))
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Zero(t, binary.LittleEndian.Uint64(a)%8)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing temporary is left")
}

func TestWriteSafetensorsRefusesAndLeavesNothing(t *testing.T) {
	one := few()[0]
	short, odd := one, one
	short.Data, odd.DType = one.Data[1:], dtypes.Int64
	for name, c := range map[string]struct {
		tensors []Tensor
		says    string
	}{
		"a name twice":   {[]Tensor{one, one}, "comes twice"},
		"too few bytes":  {[]Tensor{short}, "takes 4 bytes, got 3"},
		"no weight type": {[]Tensor{odd}, "can't be written"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.ErrorContains(t, WriteSafetensors(filepath.Join(dir, "x"), c.tensors, nil), c.says)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}

func TestSafetensorsMayHoldOtherTypesAndMetadata(t *testing.T) {
	s, err := reading(t, file(`{"__metadata__":{"format":"pt"},"ids":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"flag":{"dtype":"BOOL","shape":[],"data_offsets":[16,17]}}  `, 17))
	require.NoError(t, err)
	info, data, ok := s.Tensor("ids")
	require.True(t, ok)
	require.Equal(t, TensorInfo{Name: "ids", DType: dtypes.InvalidDType, Shape: []int{2}}, info)
	require.Len(t, data, 16)
	s, err = reading(t, file(`{}`, 0))
	require.NoError(t, err)
	require.Empty(t, s.Names())
}

func TestSafetensorsThatLieAreDamaged(t *testing.T) {
	tensor := func(name, dtype, shape, offsets string) string {
		return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":%s}`, name, dtype, shape, offsets)
	}
	header := func(tensors ...string) string { return "{" + strings.Join(tensors, ",") + "}" }
	a := tensor("a", "F32", "[2]", "[0,8]")
	whole := file(header(a), 8)
	_, err := reading(t, whole)
	require.NoError(t, err)
	long := binary.LittleEndian.AppendUint64(nil, maxHeaderBytes+1)
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":                   {nil, "0 bytes are not"},
		"seven bytes":               {whole[:7], "7 bytes are not"},
		"no header":                 {make([]byte, 8), "not JSON"},
		"header that isn't JSON":    {file("{", 0), "not JSON"},
		"header that is a list":     {file("[]", 0), "not JSON"},
		"header that is null":       {file("null", 0), "not JSON"},
		"header and more":           {file("{}{}", 0), "not JSON"},
		"header too long":           {append(long, make([]byte, 100)...), "more than 100000000"},
		"header of 2^64-1 bytes":    {bytes.Repeat([]byte{0xff}, 100), "more than 100000000"},
		"header beyond the end":     {binary.LittleEndian.AppendUint64(nil, 1), "truncated"},
		"data cut off":              {whole[:len(whole)-1], "truncated"},
		"data without a tensor":     {append(bytes.Clone(whole), 0), "belong to nothing"},
		"a gap":                     {file(header(a, tensor("b", "F16", "[1]", "[10,12]")), 12), "gap or overlap"},
		"a gap at the beginning":    {file(header(tensor("a", "F32", "[1]", "[4,8]")), 8), "gap or overlap"},
		"an overlap":                {file(header(a, tensor("b", "F16", "[2]", "[6,10]")), 10), "gap or overlap"},
		"the same bytes twice":      {file(header(a, tensor("b", "F32", "[2]", "[0,8]")), 8), "gap or overlap"},
		"offsets backwards":         {file(header(tensor("a", "F32", "[2]", "[8,0]")), 8), "not a range"},
		"a negative offset":         {file(header(tensor("a", "F32", "[2]", "[-8,0]")), 8), "not a range"},
		"an offset beyond 2^63":     {file(header(tensor("a", "F32", "[2]", "[0,9223372036854775808]")), 8), `"a"`},
		"one offset":                {file(header(tensor("a", "F32", "[2]", "[8]")), 8), "not a range"},
		"no offsets":                {file(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "not a range"},
		"no shape":                  {file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), "no shape"},
		"null":                      {file(`{"a":null}`, 0), "not a range"},
		"offsets out of range":      {file(header(tensor("a", "F32", "[1024]", "[0,4096]")), 8), "truncated"},
		"sizes that disagree":       {file(header(tensor("a", "F32", "[3]", "[0,8]")), 8), "takes 12 bytes"},
		"a negative dimension":      {file(header(tensor("a", "F32", "[-2]", "[0,8]")), 8), "out of range"},
		"two negative dimensions":   {file(header(tensor("a", "F32", "[-2,-1]", "[0,8]")), 8), "out of range"},
		"a shape over 2^63":         {file(header(tensor("a", "F32", "[4294967296,4294967296]", "[0,0]")), 0), "out of range"},
		"a shape that wraps around": {file(header(tensor("a", "F32", "[4611686018427387905,4]", "[0,16]")), 16), "out of range"},
		"a rank too high":           {file(header(tensor("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]")), 8), "rank 9"},
		"half a dimension":          {file(header(tensor("a", "F32", "[1.5]", "[0,8]")), 8), `"a"`},
		"an unknown type":           {file(header(tensor("a", "F4", "[2]", "[0,8]")), 8), "unknown dtype"},
		"a name twice":              {file(header(a, a), 8), `"a" comes twice`},
		"a name twice, other bytes": {file(header(tensor("a", "F32", "[1]", "[0,4]"), a), 8), `"a" comes twice`},
		"a name twice, in disguise": {file(header(a, strings.Replace(a, `"a"`, `"\u0061"`, 1)), 8), `"a" comes twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := reading(t, c.data)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, WeightsFile)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestSafetensorsCutAnywhereAreDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), WeightsFile)
	require.NoError(t, WriteSafetensors(path, few(), map[string]string{"format": "pt"}))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = reading(t, whole)
	require.NoError(t, err)
	for n := range len(whole) {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		_, err := OpenSafetensors(path)
		require.Equal(t, fault.Damaged, fault.CodeOf(err), "cut after %d bytes", n)
	}
}

func TestWhatIsNoFileIsDamaged(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	for name, path := range map[string]string{"missing": filepath.Join(dir, "x"), "a folder": dir, "a pipe that nobody writes to": pipe} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenSafetensors(path)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
		})
	}
}

// Whatever the bytes are: an error, or tensors that cover the data exactly.
func FuzzSafetensors(f *testing.F) {
	path := filepath.Join(f.TempDir(), WeightsFile)
	require.NoError(f, WriteSafetensors(path, few(), map[string]string{"format": "pt"}))
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(file(`{"a":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0))
	f.Add(file(`{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]}}`, 9))
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, entries, err := parseSafetensors(data)
		if err != nil {
			return
		}
		covered := 0
		for name, e := range entries {
			require.Equal(t, name, e.info.Name)
			covered += len(body[e.begin:e.end])
			size := 0
			for _, bytes := range safetensorsSizes {
				if e.info.Size()*bytes == e.end-e.begin {
					size = bytes
				}
			}
			require.NotZero(t, size, "%+v", e)
		}
		require.Equal(t, len(body), covered)
	})
}
