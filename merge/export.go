package merge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// RecipeFile is where an exported model keeps the recipe it was made from.
const RecipeFile = "mergeway_recipe.json"

// parentFiles are taken over from the parent as they are: what turns text into
// tokens, and how the model likes to be sampled.
var parentFiles = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"tokenizer.model", "chat_template.jinja", checkpoint.GenerationConfigFile,
}

// maxParentFile is the largest file that is taken over.
const maxParentFile = 256 << 20

// Export writes merged weights as a Hugging Face folder: config.json and the
// tokenizer of the recipe's parent (the folder parentDir), the weights in the
// recipe's dtype, the recipe itself, and a card. The folder appears whole or not
// at all: it is written beside its place and renamed. A folder that is there
// already is fault.Conflict.
func (x *Executor) Export(ctx context.Context, dir, parentDir string, r Recipe, w *infer.Weights) (err error) {
	body, err := r.Canonical()
	if err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "the folder to write")
		}
		return fault.New(fault.Conflict, "%s exists already; choose another folder or remove it", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder to write")
	}
	making, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*")
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder to write")
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(making)
		}
	}()
	if err := os.Chmod(making, 0o755); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder to write")
	}
	if err := x.exportFiles(ctx, making, parentDir, r, body, w); err != nil {
		return err
	}
	if err := os.Rename(making, dir); err != nil {
		return fault.Wrap(err, fault.Unavailable, "put the folder in its place")
	}
	return nil
}

// exportFiles writes all files; each is synced to disk before the next.
func (x *Executor) exportFiles(ctx context.Context, dir, parentDir string, r Recipe, body []byte, w *infer.Weights) error {
	dtype := newProgram(r.normal(), methods[r.Method]).round
	stored, err := x.download(ctx, w, dtype)
	if err != nil {
		return err
	}
	if err := checkpoint.WriteSafetensors(filepath.Join(dir, checkpoint.WeightsFile), stored, map[string]string{"format": "pt"}); err != nil {
		return fault.Wrap(err, fault.Unavailable, "write the weights")
	}
	files := map[string][]byte{RecipeFile: append(body, '\n'), "README.md": card(filepath.Base(dir), r, body)}
	for _, name := range parentFiles {
		data, err := checkpoint.ReadSmall(parentDir, name, maxParentFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		files[name] = data
	}
	if files[checkpoint.ConfigFile], err = exportedConfig(parentDir, dtype); err != nil {
		return err
	}
	for name, data := range files {
		if err := checkpoint.WriteBytes(filepath.Join(dir, name), data); err != nil {
			return fault.Wrap(err, fault.Unavailable, "write %s", name)
		}
	}
	return nil
}

// exportedConfig is the parent's config.json, whatever it holds, with the dtype
// of the merged weights.
func exportedConfig(parentDir string, dtype dtypes.DType) ([]byte, error) {
	data, err := checkpoint.ReadSmall(parentDir, checkpoint.ConfigFile, maxParentFile)
	if err != nil {
		return nil, err
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s does not parse", checkpoint.ConfigFile)
	}
	key := "torch_dtype"
	if _, newer := config["dtype"]; newer { // transformers 5
		key = "dtype"
	}
	config[key] = json.RawMessage(`"` + checkpoint.TorchDType(dtype) + `"`)
	data, err = json.MarshalIndent(config, "", "  ")
	return append(data, '\n'), err
}

// download copies weights from the device. They hold numbers of the dtype
// already, perhaps in a wider one, so that narrowing them is exact.
func (x *Executor) download(ctx context.Context, w *infer.Weights, dtype dtypes.DType) ([]checkpoint.Tensor, error) {
	var stored []checkpoint.Tensor
	for i, p := range arch.Params(w.Config()) {
		if err := cancelled(ctx); err != nil {
			return nil, err
		}
		data, err := x.bytesOf(w.Tensors()[i], dtype)
		if err != nil {
			return nil, fault.Wrap(err, fault.CodeOf(err), "tensor %q", p.Name)
		}
		stored = append(stored, checkpoint.Tensor{
			TensorInfo: checkpoint.TensorInfo{Name: p.Name, DType: dtype, Shape: p.Shape}, Data: data,
		})
	}
	return stored, nil
}

// bytesOf gives a tensor's bytes in a dtype: little-endian, row-major.
func (x *Executor) bytesOf(t *tensors.Tensor, dtype dtypes.DType) ([]byte, error) {
	if t.DType() != dtype {
		type narrowing struct{ to dtypes.DType }
		out, err := x.programs.run(narrowing{dtype}, func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.ConvertDType(in[0], dtype)}
		}, []any{t})
		if err != nil {
			return nil, err
		}
		defer device.Free(out...)
		t = out[0]
	}
	// Not through ConstBytes of w's tensor: that would leave a second copy of it
	// in host memory for as long as the weights live.
	copied, err := t.LocalClone()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read from the device")
	}
	defer device.Free(copied)
	var data []byte
	err = copied.ConstBytes(func(raw []byte) { data = append([]byte(nil), raw...) })
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read from the device")
	}
	return data, nil
}

// card is the README of an exported model, in the form that model hubs read.
func card(name string, r Recipe, body []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "---\ntags: [merge, mergeway]\nbase_model:\n")
	for _, m := range r.Models() {
		fmt.Fprintf(&b, "- %s\n", m)
	}
	fmt.Fprintf(&b, "---\n\n# %s\n\nMerged by mergeway with the method `%s` from ", name, r.Method)
	for i, s := range r.Sources {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s`", s.Model)
	}
	if r.Base != "" {
		fmt.Fprintf(&b, " on `%s`", r.Base)
	}
	fmt.Fprintf(&b, ".\n\n```json\n%s\n```\n", body)
	return []byte(b.String())
}
