package checkpoint

import (
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
	vision *VisionConfig    // nil: the model sees no pictures
	files  []*Safetensors   // sorted by file name
	where  map[string]place // by the name that the tensor has here

	adapter *Adapter // see OpenAdapted; nil: none

	hashing sync.Mutex
	digest  string // once it is known
}

// place is where a tensor is stored.
type place struct {
	file *Safetensors
	name string // that it has there
}

// tensor gives what is stored there; the name is the file's.
func (p place) tensor() (TensorInfo, []byte) {
	info, data, _ := p.file.Tensor(p.name)
	return info, data
}

// Open opens a Hugging Face folder: config.json, generation_config.json if
// there is one, and model.safetensors or the shards that
// model.safetensors.index.json names.
func Open(dir string) (_ *Folder, err error) {
	f := &Folder{dir: dir, where: map[string]place{}}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	if f.config, f.vision, err = readModel(dir); err != nil {
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
			name := f.nameOf(tensor)
			if _, twice := f.where[name]; twice {
				return nil, fault.New(fault.Damaged, "tensor %q is in more than one file, or twice in one", name)
			}
			f.where[name] = place{file, tensor}
		}
	}
	for tensor, name := range index {
		if f.where[f.nameOf(tensor)] != (place{opened[name], tensor}) {
			return nil, fault.New(fault.Damaged, "%s says that tensor %q is in %s; it is not", indexFile, tensor, name)
		}
	}
	return f, nil
}

// nameOf is the name that a stored tensor has here.
func (f *Folder) nameOf(stored string) string {
	if f.vision == nil {
		return stored
	}
	return bareName(stored)
}

// ReadConfig reads config.json of a folder, with the end-of-sequence tokens of
// generation_config.json in their place where that file has them.
func ReadConfig(dir string) (Config, error) {
	c, _, err := readModel(dir)
	return c, err
}

// ReadVision reads what config.json of a folder says of the part that sees; nil if
// the model has none.
func ReadVision(dir string) (*VisionConfig, error) {
	_, v, err := readModel(dir)
	return v, err
}

func readModel(dir string) (Config, *VisionConfig, error) {
	data, err := ReadSmall(dir, ConfigFile, maxConfigBytes)
	if err != nil {
		return Config{}, nil, err
	}
	c, v, err := ParseModel(data)
	if err != nil {
		return Config{}, nil, err
	}
	c, err = withGeneration(dir, c)
	return c, v, err
}

// withGeneration puts what generation_config.json says into a config.
func withGeneration(dir string, c Config) (Config, error) {
	data, err := ReadSmall(dir, GenerationConfigFile, maxConfigBytes)
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
	ids, err := parseInts("eos_token_id", generation.EOSTokenID)
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

// Vision is what config.json says of the part that sees pictures; nil: there is none.
func (f *Folder) Vision() *VisionConfig { return f.vision }

// Dir is the folder's path as it was given.
func (f *Folder) Dir() string { return f.dir }

// Tensors lists what is stored, sorted by name. Those of a model that sees have the
// names of a plain model and those that [IsVision] knows, whatever the file calls them.
func (f *Folder) Tensors() []TensorInfo {
	infos := make([]TensorInfo, 0, len(f.where))
	for name, at := range f.where {
		info, _ := at.tensor()
		info.Name = name
		infos = append(infos, info)
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name < infos[j].Name })
	return infos
}

// Tensor gives a tensor's description and bytes (little-endian, row-major);
// the bytes are valid until Close. Only bfloat16, float16 and float32 can be
// loaded.
func (f *Folder) Tensor(name string) (TensorInfo, []byte, error) {
	at, ok := f.where[name]
	if !ok {
		return TensorInfo{}, nil, fault.New(fault.Damaged, "%s has no tensor %q", filepath.Base(f.dir), name)
	}
	info, data := at.tensor()
	info.Name = name
	if info.DType == dtypes.InvalidDType {
		return TensorInfo{}, nil, fault.New(fault.Invalid, "%s: tensor %q has a dtype that weights can't have", filepath.Base(f.dir), name)
	}
	return info, data, nil
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
