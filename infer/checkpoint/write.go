package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Tensor is a tensor to be written: little-endian, row-major bytes.
type Tensor struct {
	TensorInfo
	Data []byte
}

// WriteSafetensors writes the tensors, sorted by name, to path. Equal tensors
// give equal bytes. The file appears whole or not at all: it is written beside
// its place, synced, and renamed.
func WriteSafetensors(path string, tensors []Tensor, metadata map[string]string) error {
	infos, data := make([]TensorInfo, len(tensors)), make(map[string][]byte, len(tensors))
	for i, t := range tensors {
		infos[i], data[t.Name] = t.TensorInfo, t.Data
	}
	return StreamSafetensors(path, infos, metadata, func(t TensorInfo) ([]byte, error) { return data[t.Name], nil })
}

// StreamSafetensors is [WriteSafetensors] for tensors that need not be in memory
// together: each one's bytes are asked for when it is written.
// They may change when the next tensor's are asked for.
func StreamSafetensors(path string, infos []TensorInfo, metadata map[string]string, data func(TensorInfo) ([]byte, error)) error {
	_, err := streamSafetensors(path, infos, metadata, data)
	return err
}

// streamSafetensors is StreamSafetensors, with the sum of what it has written.
func streamSafetensors(path string, infos []TensorInfo, metadata map[string]string, data func(TensorInfo) ([]byte, error)) (sum Sum, err error) {
	sorted := byName(infos)
	header, err := encodeHeader(sorted, metadata)
	if err != nil {
		return Sum{}, fmt.Errorf("write %s: %w", path, err)
	}
	err = WriteFile(path, func(to io.Writer) error {
		w := io.MultiWriter(to, &sum)
		if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, t := range sorted {
			bytes, err := data(t)
			if err != nil {
				return err
			}
			if want := t.StoredBytes(); want != int64(len(bytes)) {
				return fmt.Errorf("tensor %q: %s %v takes %d bytes, got %d", t.Name, t.DType, t.Shape, want, len(bytes))
			}
			if _, err := w.Write(bytes); err != nil {
				return err
			}
		}
		return nil
	})
	return sum, err
}

// byName gives the tensors in the order in which files have them.
func byName(infos []TensorInfo) []TensorInfo {
	return slices.SortedFunc(slices.Values(infos), func(a, b TensorInfo) int { return cmp.Compare(a.Name, b.Name) })
}

// encodeHeader is the JSON header, padded with spaces so that the data is
// aligned to 8 bytes, as the reference implementation does.
func encodeHeader(sorted []TensorInfo, metadata map[string]string) ([]byte, error) {
	type rawEntry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	var out bytes.Buffer
	out.WriteByte('{')
	put := func(name string, value any) error {
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		body, err := json.Marshal(value)
		if err != nil {
			return err
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(body)
		return nil
	}
	if len(metadata) > 0 {
		if err := put("__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	at := int64(0)
	for i, t := range sorted {
		if i > 0 && sorted[i-1].Name == t.Name {
			return nil, fmt.Errorf("tensor %q comes twice", t.Name)
		}
		dtype, ok := safetensorsName(t.DType)
		if !ok {
			return nil, fmt.Errorf("tensor %q: dtype %s can't be written", t.Name, t.DType)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		if err := put(t.Name, rawEntry{dtype, shape, [2]int64{at, at + t.StoredBytes()}}); err != nil {
			return nil, err
		}
		at += t.StoredBytes()
	}
	out.WriteByte('}')
	for out.Len()%8 != 0 {
		out.WriteByte(' ')
	}
	return out.Bytes(), nil
}

// WriteBytes is [WriteFile] of what is in memory already.
func WriteBytes(path string, data []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFile writes a file crash-safely: into a temporary file of the same
// folder, synced, then renamed over path, and the folder synced.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	buffered := bufio.NewWriterSize(&flusher{file: temp}, 1<<20)
	if err = write(buffered); err != nil {
		return err
	}
	if err = buffered.Flush(); err != nil {
		return err
	}
	if err = temp.Chmod(0o644); err != nil {
		return err
	}
	if err = temp.Sync(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return SyncFolder(dir)
}

// SyncFolder makes what was renamed in a folder last, also if the power goes.
func SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
