package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"

	"github.com/gomlx/compute/dtypes"
	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
)

// TensorInfo describes one stored tensor.
type TensorInfo struct {
	Name  string
	DType dtypes.DType
	Shape []int // row-major
}

// Size is the number of elements.
func (t TensorInfo) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// StoredBytes is what the tensor takes in a file.
func (t TensorInfo) StoredBytes() int64 { return int64(t.Size()) * int64(t.DType.Size()) }

// Limits on a safetensors header. The reference implementation allows headers
// up to 100 MB.
const (
	maxHeaderBytes = 100_000_000
	maxTensors     = 1 << 20
	maxRank        = 8
)

// Safetensors is one file, mapped read-only into memory.
//
// The format: 8 bytes little-endian length n of the header; n bytes of JSON,
// name → {"dtype", "shape", "data_offsets": [begin, end)}, and an optional
// "__metadata__" of strings; then the data, to which the offsets are relative.
// Tensors are little-endian, row-major, and cover the data without gaps or
// overlaps.
type Safetensors struct {
	path    string
	mapped  []byte
	data    []byte // after the header
	entries map[string]entry
}

type entry struct {
	info       TensorInfo
	begin, end int
}

// OpenSafetensors maps the file and checks its header completely: every offset
// lies inside the file, sizes agree with dtype and shape, nothing overlaps.
func OpenSafetensors(path string) (*Safetensors, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "open %s", filepath.Base(path))
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "size of %s", filepath.Base(path))
	}
	if !stat.Mode().IsRegular() || stat.Size() < 8 || stat.Size() > math.MaxInt {
		return nil, fault.New(fault.Damaged, "%s: %d bytes are not a safetensors file", filepath.Base(path), stat.Size())
	}
	mapped, err := unix.Mmap(int(file.Fd()), 0, int(stat.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "map %s into memory", filepath.Base(path))
	}
	s := &Safetensors{path: path, mapped: mapped}
	if s.data, s.entries, err = parseSafetensors(mapped); err != nil {
		_ = s.Close()
		return nil, fault.Wrap(err, fault.Damaged, "%s", filepath.Base(path))
	}
	return s, nil
}

// parseSafetensors checks a whole file and gives its data and what is in it.
func parseSafetensors(file []byte) ([]byte, map[string]entry, error) {
	if len(file) < 8 {
		return nil, nil, fmt.Errorf("%d bytes are too few for a header", len(file))
	}
	length := binary.LittleEndian.Uint64(file)
	if length > maxHeaderBytes {
		return nil, nil, fmt.Errorf("the header says it has %d bytes, more than %d", length, maxHeaderBytes)
	}
	if length > uint64(len(file)-8) {
		return nil, nil, fmt.Errorf("truncated: the header has %d bytes, the file only %d after the length", length, len(file)-8)
	}
	header, data := file[8:8+length], file[8+length:]
	entries, err := parseHeader(header)
	if err != nil {
		return nil, nil, err
	}
	return data, entries, checkCover(entries, len(data))
}

// parseHeader reads the header's object key by key: the format forbids a name
// that comes twice, where a map would keep the last one and not tell.
func parseHeader(header []byte) (map[string]entry, error) {
	if !json.Valid(header) {
		return nil, fmt.Errorf("the header is not JSON")
	}
	in := json.NewDecoder(bytes.NewReader(header))
	if begin, err := in.Token(); err != nil || begin != json.Delim('{') {
		return nil, fmt.Errorf("the header is not JSON with a name for each tensor")
	}
	entries := map[string]entry{}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, fmt.Errorf("the header is not JSON: %w", err)
		}
		name, body := key.(string), json.RawMessage(nil)
		if err := in.Decode(&body); err != nil {
			return nil, fmt.Errorf("the header is not JSON: %w", err)
		}
		if name == "__metadata__" {
			continue
		}
		if _, twice := entries[name]; twice {
			return nil, fmt.Errorf("tensor %q comes twice", name)
		}
		if len(entries) == maxTensors {
			return nil, fmt.Errorf("there are more than %d tensors", maxTensors)
		}
		if entries[name], err = parseEntry(name, body); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func parseEntry(name string, body json.RawMessage) (entry, error) {
	var raw struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return entry{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	if len(raw.Offsets) != 2 || raw.Offsets[0] < 0 || raw.Offsets[1] < raw.Offsets[0] {
		return entry{}, fmt.Errorf("tensor %q: data_offsets %v are not a range", name, raw.Offsets)
	}
	if raw.Shape == nil { // a scalar's is []
		return entry{}, fmt.Errorf("tensor %q has no shape", name)
	}
	if len(raw.Shape) > maxRank {
		return entry{}, fmt.Errorf("tensor %q: rank %d is more than %d", name, len(raw.Shape), maxRank)
	}
	width, known := safetensorsSizes[raw.DType]
	if !known {
		return entry{}, fmt.Errorf("tensor %q: unknown dtype %q", name, raw.DType)
	}
	e := entry{info: TensorInfo{Name: name, DType: safetensorsDTypes[raw.DType]}, begin: int(raw.Offsets[0]), end: int(raw.Offsets[1])}
	size := int64(width)
	for _, d := range raw.Shape {
		if d < 0 || (d > 0 && size > math.MaxInt64/d) {
			return entry{}, fmt.Errorf("tensor %q: shape %v is out of range", name, raw.Shape)
		}
		size *= d
		e.info.Shape = append(e.info.Shape, int(d))
	}
	if size != raw.Offsets[1]-raw.Offsets[0] {
		return entry{}, fmt.Errorf("tensor %q: %s %v takes %d bytes, data_offsets give %d",
			name, raw.DType, raw.Shape, size, raw.Offsets[1]-raw.Offsets[0])
	}
	return e, nil
}

// checkCover makes sure that the tensors lie one after the other and fill the data.
func checkCover(entries map[string]entry, size int) error {
	order := make([]entry, 0, len(entries))
	for _, e := range entries {
		order = append(order, e)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		return a.end < b.end
	})
	at := 0
	for _, e := range order {
		if e.end > size {
			return fmt.Errorf("truncated: tensor %q ends at byte %d, the file has %d bytes of data", e.info.Name, e.end, size)
		}
		if e.begin != at {
			return fmt.Errorf("tensor %q begins at byte %d where %d was expected (gap or overlap)", e.info.Name, e.begin, at)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to nothing", size-at)
	}
	return nil
}

// Names lists the tensors in alphabetical order.
func (s *Safetensors) Names() []string {
	names := make([]string, 0, len(s.entries))
	for name := range s.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Tensor gives a tensor's description and its bytes inside the mapping; they
// are valid until Close. ok is false if there is no such tensor.
func (s *Safetensors) Tensor(name string) (info TensorInfo, data []byte, ok bool) {
	e, ok := s.entries[name]
	if !ok {
		return TensorInfo{}, nil, false
	}
	return e.info, s.data[e.begin:e.end:e.end], true
}

// Close unmaps the file.
func (s *Safetensors) Close() error {
	if s.mapped == nil {
		return nil
	}
	mapped := s.mapped
	s.mapped, s.data, s.entries = nil, nil, nil
	if err := unix.Munmap(mapped); err != nil {
		return fmt.Errorf("unmap %s: %w", s.path, err)
	}
	return nil
}
