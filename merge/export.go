package merge

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// RecipeFile is where an exported model keeps the recipe it was made from. A
// folder that has it is one that Export has written.
const RecipeFile = "mergeway_recipe.json"

// ExportOptions say how a model is written.
type ExportOptions struct {
	// Parent is the folder of the recipe's origin, whose configuration and
	// tokenizer the model has.
	Parent string
	// Lender is the folder of the model that lends the tokenizer, if not the parent;
	// see [Vocabulary].
	Lender string
	// ShardBytes is the size beyond which weights are divided into files;
	// checkpoint.DefaultShardBytes if 0.
	ShardBytes int64
	// NoTokenizer leaves out the tokenizer and the chat templates.
	NoTokenizer bool
	// NoCard leaves out README.md.
	NoCard bool
	// Card is what the card tells beside the recipe.
	Card Card
	// Replace puts the folder in the place of one that was exported before.
	Replace bool
	// Progress is told how many bytes of weights are written, and of how many;
	// may be nil.
	Progress func(written, total int64)
}

// Export writes merged weights as a Hugging Face folder: config.json and the
// tokenizer of the recipe's origin, the weights in the recipe's dtype, the recipe
// itself, and a card. The folder appears whole or not at all: it is written
// beside its place, synced and renamed; what an export that was killed has left
// there is removed by the next one to the same place. A folder that is there
// already is fault.Conflict, unless it was exported and is to be replaced.
func (x *Executor) Export(ctx context.Context, dir string, r Recipe, w *infer.Weights, o ExportOptions) error {
	body, err := r.Canonical()
	if err != nil {
		return err
	}
	to, err := openPlace(dir, o.Replace)
	if err != nil {
		return err
	}
	defer to.close()
	if err := x.exportFiles(ctx, to, r, body, w, o); err != nil {
		return err
	}
	if err := cancelled(ctx); err != nil {
		return err
	}
	return to.commit()
}

// exportFiles writes all files; each is synced to disk before the next.
func (x *Executor) exportFiles(ctx context.Context, to *exportPlace, r Recipe, body []byte, w *infer.Weights, o ExportOptions) error {
	dtype := newProgram(r.normal(), methods[r.Method]).round
	files, err := lentFiles(r.Vocabulary, o)
	if err != nil {
		return err
	}
	files[RecipeFile] = append(body, '\n')
	if !o.NoCard {
		files["README.md"] = o.Card.page(filepath.Base(to.dir), r, body, w.Config().NumHiddenLayers)
	}
	if files[checkpoint.ConfigFile], err = exportedConfig(o, r, w.Config(), dtype); err != nil {
		return err
	}
	if err := x.exportWeights(ctx, to.making, w, dtype, o); err != nil {
		return unavailable(err, "write the weights")
	}
	for name, data := range files {
		path := filepath.Join(to.making, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return unavailable(err, "write %s", name)
		}
		if err := checkpoint.WriteBytes(path, data); err != nil {
			return unavailable(err, "write %s", name)
		}
	}
	return nil
}

// unavailable says that the disk did not do its part, unless the error tells
// another reason.
func unavailable(err error, format string, args ...any) error {
	if errors.As(err, new(*fault.Error)) {
		return err
	}
	if errors.Is(err, unix.ENOSPC) {
		return fault.Wrap(err, fault.Unavailable, "the disk is full")
	}
	return fault.Wrap(err, fault.Unavailable, format, args...)
}

// exportWeights writes the weights, a tensor at a time, so that no more than one
// is in host memory. They hold numbers of the dtype already, perhaps in a wider
// one, so that narrowing them is exact.
func (x *Executor) exportWeights(ctx context.Context, dir string, w *infer.Weights, dtype dtypes.DType, o ExportOptions) error {
	infos := storedAs(w.Config(), dtype)
	var written int64
	total := bytesOfAll(infos)
	report := func() {
		if o.Progress != nil {
			o.Progress(written, total)
		}
	}
	report()
	defer report() // the last tensor is written when all is
	return checkpoint.WriteWeights(dir, infos, cmp.Or(o.ShardBytes, checkpoint.DefaultShardBytes), func(info checkpoint.TensorInfo) ([]byte, error) {
		if err := cancelled(ctx); err != nil {
			return nil, err
		}
		report() // of the tensors before this one
		data, err := x.bytesOf(w.Tensor(info.Name), dtype)
		if err != nil {
			return nil, fault.Wrap(err, fault.CodeOf(err), "tensor %q", info.Name)
		}
		written += info.StoredBytes()
		return data, nil
	})
}

// storedAs lists the tensors of a model as its files hold them.
func storedAs(c checkpoint.Config, dtype dtypes.DType) []checkpoint.TensorInfo {
	params := arch.Params(c)
	infos := make([]checkpoint.TensorInfo, len(params))
	for i, p := range params {
		infos[i] = checkpoint.TensorInfo{Name: p.Name, DType: dtype, Shape: p.Shape}
	}
	return infos
}

// bytesOfAll is what tensors take together.
func bytesOfAll(infos []checkpoint.TensorInfo) int64 {
	var total int64
	for _, info := range infos {
		total += info.StoredBytes()
	}
	return total
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
