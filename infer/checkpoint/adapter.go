package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
)

// The names that PEFT's folders use.
const (
	AdapterConfigFile  = "adapter_config.json"
	adapterWeightsFile = "adapter_model.safetensors"
)

// adapterPrefix begins the names in an adapter's file: the wrappers that PEFT puts
// around a model.
const adapterPrefix = "base_model.model."

// Delta is what an adapter does to one tensor of its model: it is replaced by Whole,
// if there is one, and then Scale·B·A is added to it, if there is that. The bytes are
// as those of [Folder.Tensor].
type Delta struct {
	Whole     *TensorInfo
	WholeData []byte

	A, B         *TensorInfo // [r, in] and [out, r]
	AData, BData []byte
	Scale        float64
	// Embedding tells that B·A is the transpose of what is added.
	Embedding bool
}

// Adapter is an opened LoRA adapter (arXiv 2106.09685) in the layout that PEFT
// writes.
type Adapter struct {
	dir    string
	config adapterConfig
	raw    []byte // of its config
	file   *Safetensors
	deltas map[string]Delta // by the tensor that they change
}

// openAdapter opens the adapter of a folder. The error is fault.Damaged, and names
// what can't be honoured.
func openAdapter(dir string) (_ *Adapter, err error) {
	a := &Adapter{dir: dir, deltas: map[string]Delta{}}
	if a.raw, err = ReadSmall(dir, AdapterConfigFile, maxConfigBytes); err != nil {
		return nil, err
	}
	if a.config, err = parseAdapterConfig(a.raw); err != nil {
		return nil, err
	}
	path, err := inside(dir, adapterWeightsFile)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, a.wrong("there is no %s: other formats are not read", adapterWeightsFile)
	}
	if a.file, err = OpenSafetensors(path); err != nil {
		return nil, err
	}
	if err := a.collect(); err != nil {
		_ = a.file.Close()
		return nil, err
	}
	return a, nil
}

// collect pairs the matrices of the file.
func (a *Adapter) collect() error {
	for _, name := range a.file.Names() {
		info, data, _ := a.file.Tensor(name)
		module, ok := strings.CutPrefix(name, adapterPrefix)
		if !ok {
			return a.wrong("its tensor %q does not begin with %s", name, adapterPrefix)
		}
		switch info.DType {
		case dtypes.Float32, dtypes.Float16, dtypes.BFloat16:
		default:
			return a.wrong("its tensor %q has a dtype that weights can't have", name)
		}
		tensor, kind := deltaOf(module)
		d := a.deltas[tensor]
		switch kind {
		case "lora_A.weight":
			d.A, d.AData = &info, data
		case "lora_B.weight":
			d.B, d.BData = &info, data
		case "lora_embedding_A":
			d.A, d.AData, d.Embedding = &info, data, true
		case "lora_embedding_B":
			d.B, d.BData, d.Embedding = &info, data, true
		case wholeTensor:
			d.Whole, d.WholeData = &info, data
		default:
			return a.wrong("it has the tensor %q, which is not supported", name)
		}
		a.deltas[tensor] = d
	}
	for tensor, d := range a.deltas {
		if d.A == nil && d.B == nil {
			continue
		}
		if err := a.pair(tensor, &d); err != nil {
			return err
		}
		a.deltas[tensor] = d
	}
	if len(a.deltas) == 0 {
		return a.wrong("it changes nothing")
	}
	return nil
}

// wholeTensor is what deltaOf says of tensors that replace those of the model.
const wholeTensor = "whole"

// deltaOf tells which tensor of the model one of an adapter is about, and what part of
// its delta it is; empty for what is unknown.
func deltaOf(name string) (tensor, kind string) {
	for _, kind := range []string{"lora_A.weight", "lora_B.weight", "lora_embedding_A", "lora_embedding_B"} {
		if module, ok := strings.CutSuffix(name, "."+kind); ok {
			return module + ".weight", kind
		}
	}
	if module, ok := strings.CutSuffix(name, ".base_layer.weight"); ok { // saved beside a delta to it
		return module + ".weight", wholeTensor
	}
	if strings.Contains(name, "lora_") || !strings.HasSuffix(name, ".weight") && !strings.HasSuffix(name, ".bias") {
		return name, ""
	}
	return name, wholeTensor // of modules_to_save
}

// pair checks that both halves of a delta are there and go together, and finds out
// its scale.
func (a *Adapter) pair(tensor string, d *Delta) error {
	if d.A == nil || d.B == nil {
		return a.wrong("of the two matrices for %q one is missing", tensor)
	}
	if len(d.A.Shape) != 2 || len(d.B.Shape) != 2 || d.A.Shape[0] != d.B.Shape[1] || d.A.Shape[0] == 0 {
		return a.wrong("the matrices for %q are %v and %v: they must be [r, in] and [out, r]", tensor, d.A.Shape, d.B.Shape)
	}
	rank := d.A.Shape[0]
	module := strings.TrimSuffix(tensor, ".weight")
	want, err := a.config.rank(module)
	if err == nil && want != rank {
		err = fmt.Errorf("its rank is %d, and by %s %d", rank, AdapterConfigFile, want)
	}
	var alpha float64
	if err == nil {
		alpha, err = a.config.alpha(module)
	}
	if err != nil {
		return a.wrong("%q: %s", tensor, err)
	}
	d.Scale = alpha / float64(rank)
	if a.config.RSLoRA {
		d.Scale = alpha / math.Sqrt(float64(rank))
	}
	return nil
}

// fits checks that the adapter changes tensors that a model has.
func (a *Adapter) fits(shapes map[string][]int) error {
	for _, tensor := range sortedKeys(a.deltas) {
		d := a.deltas[tensor]
		shape, ok := shapes[tensor]
		if !ok {
			return a.wrong("it changes %q, which the model has not", tensor)
		}
		for _, got := range d.shapes() {
			if !slices.Equal(got, shape) {
				return a.wrong("it changes %q by %v, and the model's is %v", tensor, got, shape)
			}
		}
	}
	return nil
}

// shapes are those of the tensors that a delta is for.
func (d Delta) shapes() (all [][]int) {
	if d.Whole != nil {
		all = append(all, d.Whole.Shape)
	}
	switch {
	case d.A == nil:
	case d.Embedding:
		all = append(all, []int{d.A.Shape[1], d.B.Shape[0]})
	default:
		all = append(all, []int{d.B.Shape[0], d.A.Shape[1]})
	}
	return all
}

// digest identifies the adapter by content.
func (a *Adapter) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "adapter %d\n", len(a.raw))
	h.Write(a.raw)
	for _, name := range a.file.Names() {
		info, data, _ := a.file.Tensor(name)
		fmt.Fprintf(h, "tensor %q %s %v %d\n", name, info.DType, info.Shape, len(data))
		h.Write(data)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (a *Adapter) wrong(format string, args ...any) error {
	return fault.New(fault.Damaged, "adapter %s: %s", filepath.Base(a.dir), fmt.Sprintf(format, args...))
}
