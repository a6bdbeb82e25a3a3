package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
)

// The names that Hugging Face folders use.
const (
	ConfigFile           = "config.json"
	GenerationConfigFile = "generation_config.json"
	WeightsFile          = "model.safetensors"
	indexFile            = "model.safetensors.index.json"
)

const maxIndexBytes = 64 << 20

// Folder is an opened checkpoint: its config, and its weights mapped into
// memory. It is safe for concurrent reading.
type Folder struct {
	dir    string
	config Config
	files  []*Safetensors          // sorted by file name
	where  map[string]*Safetensors // tensor name → the file it is in

	adapter *Adapter // see OpenAdapted; nil: none

	hashing sync.Mutex
	digest  string // once it is known
}

// Open opens a Hugging Face folder: config.json, generation_config.json if
// there is one, and model.safetensors or the shards that
// model.safetensors.index.json names.
func Open(dir string) (_ *Folder, err error) {
	f := &Folder{dir: dir, where: map[string]*Safetensors{}}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	if f.config, err = ReadConfig(dir); err != nil {
		return nil, err
	}
	names, index, err := weightFiles(dir)
	if err != nil {
		return nil, err
	}
	opened := map[string]*Safetensors{}
	for _, name := range names {
		path, err := inside(dir, name)
		if err != nil {
			return nil, err
		}
		file, err := OpenSafetensors(path)
		if err != nil {
			return nil, err
		}
		f.files, opened[name] = append(f.files, file), file
		for _, tensor := range file.Names() {
			if f.where[tensor] != nil {
				return nil, fault.New(fault.Damaged, "tensor %q is in more than one file", tensor)
			}
			f.where[tensor] = file
		}
	}
	for tensor, name := range index {
		if f.where[tensor] != opened[name] {
			return nil, fault.New(fault.Damaged, "%s says that tensor %q is in %s; it is not", indexFile, tensor, name)
		}
	}
	return f, nil
}

// ReadConfig reads config.json of a folder, with the end-of-sequence tokens of
// generation_config.json in their place where that file has them.
func ReadConfig(dir string) (Config, error) {
	data, err := ReadSmall(dir, ConfigFile, maxConfigBytes)
	if err != nil {
		return Config{}, err
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, err
	}
	data, err = ReadSmall(dir, GenerationConfigFile, maxConfigBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return Config{}, err
	}
	var generation struct {
		EOSTokenID json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &generation); err != nil {
		return Config{}, fault.Wrap(err, fault.Damaged, "%s does not parse", GenerationConfigFile)
	}
	ids, err := parseTokenIDs("eos_token_id", generation.EOSTokenID)
	if err != nil {
		return Config{}, err
	}
	if len(ids) > 0 {
		c.EOSTokenIDs = ids
	}
	return c, c.checkTokenIDs()
}

// ReadSmall reads a file of the folder that should not be large. A missing file
// matches fs.ErrNotExist.
func ReadSmall(dir, name string, limit int64) ([]byte, error) {
	path, err := inside(dir, name)
	if err != nil {
		return nil, err
	}
	stat, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s", name)
	}
	if !stat.Mode().IsRegular() || stat.Size() > limit {
		return nil, fault.New(fault.Damaged, "%s is not a regular file of at most %d bytes", name, limit)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "read %s", name)
	}
	return data, nil
}

// weightFiles finds the safetensors files of a folder; index is nil for a
// single file.
func weightFiles(dir string) (names []string, index map[string]string, err error) {
	data, err := ReadSmall(dir, indexFile, maxIndexBytes)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(dir, WeightsFile)); err != nil {
			if found, _ := filepath.Glob(filepath.Join(dir, "*.bin")); len(found) > 0 {
				return nil, nil, fault.New(fault.Invalid, "%s holds pickled weights only; convert them to safetensors", filepath.Base(dir))
			}
			return nil, nil, fault.Wrap(err, fault.Damaged, "no %s and no %s", WeightsFile, indexFile)
		}
		return []string{WeightsFile}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var raw struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, nil, fault.Wrap(err, fault.Damaged, "%s does not parse", indexFile)
	}
	if len(raw.WeightMap) == 0 {
		return nil, nil, fault.New(fault.Damaged, "%s names no tensor", indexFile)
	}
	seen := map[string]bool{}
	for _, name := range raw.WeightMap {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, raw.WeightMap, nil
}

// inside joins a file name to the folder and refuses names, and symbolic links,
// that lead out of it.
func inside(dir, name string) (string, error) {
	if name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		return "", fault.New(fault.Invalid, "file name %q does not lie in the model's folder", name)
	}
	path := filepath.Join(dir, name)
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // the caller's open will say so
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Damaged, "%s", name)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fault.Wrap(err, fault.Damaged, "%s", filepath.Base(dir))
	}
	if filepath.Dir(real) != root {
		return "", fault.New(fault.Invalid, "%s is a link out of the model's folder", name)
	}
	return real, nil
}

// Version tells one state of a folder's files from another: by names, sizes, and
// times of change.
func Version(dir string) string {
	entries, _ := os.ReadDir(dir) // what can't be read here fails where it is needed
	var v strings.Builder
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			fmt.Fprintf(&v, "%s %d %d\n", e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return v.String()
}

// Config is what config.json (and generation_config.json) say.
func (f *Folder) Config() Config { return f.config }

// Dir is the folder's path as it was given.
func (f *Folder) Dir() string { return f.dir }

// Tensors lists what is stored, sorted by name.
func (f *Folder) Tensors() []TensorInfo {
	infos := make([]TensorInfo, 0, len(f.where))
	for name, file := range f.where {
		info, _, _ := file.Tensor(name)
		infos = append(infos, info)
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name < infos[j].Name })
	return infos
}

// Tensor gives a tensor's description and bytes (little-endian, row-major);
// the bytes are valid until Close. Only bfloat16, float16 and float32 can be
// loaded.
func (f *Folder) Tensor(name string) (TensorInfo, []byte, error) {
	file := f.where[name]
	if file == nil {
		return TensorInfo{}, nil, fault.New(fault.Damaged, "%s has no tensor %q", filepath.Base(f.dir), name)
	}
	info, data, _ := file.Tensor(name)
	if info.DType == dtypes.InvalidDType {
		return TensorInfo{}, nil, fault.New(fault.Invalid, "%s: tensor %q has a dtype that weights can't have", filepath.Base(f.dir), name)
	}
	return info, data, nil
}

// Digest identifies the model by content: "sha256:" and the hash over the
// config and every tensor's name, dtype, shape and bytes, however they are
// spread over files. It reads all weights once and remembers the result.
func (f *Folder) Digest() (string, error) { return f.DigestContext(context.Background()) }

// DigestContext is Digest for who may not wait for it: when ctx ends it gives up
// after the tensor that it is reading.
func (f *Folder) DigestContext(ctx context.Context) (string, error) {
	f.hashing.Lock()
	defer f.hashing.Unlock()
	if f.digest != "" {
		return f.digest, nil
	}
	if f.where == nil { // not the digest of a model without tensors
		return "", fmt.Errorf("digest of %s: the folder is closed", filepath.Base(f.dir))
	}
	h := sha256.New()
	config, err := f.config.JSON()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "config %d\n", len(config))
	h.Write(config)
	for _, info := range f.Tensors() {
		if err := ctx.Err(); err != nil {
			return "", fault.Wrap(err, fault.Cancelled, "digest of %s", filepath.Base(f.dir))
		}
		_, data, _ := f.where[info.Name].Tensor(info.Name)
		fmt.Fprintf(h, "tensor %q %s %v %d\n", info.Name, info.DType, info.Shape, len(data))
		h.Write(data)
		f.LetGo(info.Name)
	}
	f.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	if f.adapter != nil {
		f.digest = adaptedDigest(f.digest, f.adapter.digest())
	}
	return f.digest, nil
}

// Close unmaps the weights.
func (f *Folder) Close() error {
	var failed []error
	for _, file := range f.files {
		failed = append(failed, file.Close())
	}
	if f.adapter != nil {
		failed = append(failed, f.adapter.file.Close())
	}
	f.files, f.where, f.adapter = nil, nil, nil
	return errors.Join(failed...)
}
