package merge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"

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
	// Vision is the folder of the model that lends the vision part, if the recipe says
	// that the model has one: see [Recipe.Sees].
	Vision string
	// ChatTemplate is the text of the model's chat template, in place of the lender's;
	// see [ChatTemplateText].
	ChatTemplate string
	// ShardBytes is the size beyond which weights are divided into files;
	// checkpoint.DefaultShardBytes if 0.
	ShardBytes int64
	// NoTokenizer leaves out the tokenizer and the chat templates.
	NoTokenizer bool
	// NoCard leaves out README.md.
	NoCard bool
	// Card is what the card tells beside the recipe.
	Card Card
	// Complete is asked for the rest of the card when the weights are written, so
	// that what takes long to find out may be found out meanwhile; may be nil.
	Complete func(*Card) error
	// Replace puts the folder in the place of one that was exported before.
	Replace bool
	// Progress is told how many bytes of weights are written, and of how many;
	// may be nil.
	Progress func(written, total int64)
	// Identity says what the models of the recipe hold. An export that was cut off
	// is gone on with by one with the same recipe and identity; without one each
	// begins anew.
	Identity string
	// Note is kept, if there is an Identity, for who finds the export cut off: see
	// [LeftExports]. JSON.
	Note json.RawMessage
	// Sequential is as in [StreamOptions].
	Sequential bool
}

// Export writes merged weights as a Hugging Face folder: config.json and the
// tokenizer of the recipe's origin, the weights in the recipe's dtype, the recipe
// itself, and a card. A model that sees has the lender's vision part beside them, bit
// for bit, and what says how pictures are prepared. The folder appears whole or not at all: it is written
// beside its place, synced and renamed. A folder that is there already is
// fault.Conflict, unless it was exported and is to be replaced.
//
// What an export that was killed has left there is removed by the next one to the
// same place, unless that can go on from it (see [ExportOptions].Identity): it then
// takes over the files of weights that are complete. So do those that failed, for
// want of disk for instance, which their error says, and those whose ctx was
// cancelled with [ErrSuspended]; any other cancelled one leaves nothing.
func (x *Executor) Export(ctx context.Context, dir string, r Recipe, w *infer.Weights, o ExportOptions) error {
	if r.Method == Dataflow {
		return fault.New(fault.Internal, "a path is written from its models' weights, see ExportFrom")
	}
	dtype := newProgram(r.normal(), methods[r.Method]).round
	return x.export(ctx, dir, r, w.Config(), dtype, o, func([]string) tensorSource {
		return &residentTensors{x: x, weights: w, dtype: dtype}
	})
}

// ExportFrom is Export of the merge of models that need not be on the device, and
// without the merged model ever being there as a whole: each unit is written when
// it is merged. The folder is the same to the last byte. It takes room for two
// units of each model and of the merged one (see [Plan.Unit]), or for one if it is
// sequential. A path is written as the plain model that it comes to; fault.Unfit
// says why its scales can't be folded into weights, if they can't.
func (x *Executor) ExportFrom(ctx context.Context, dir string, r Recipe, models map[string]Model, o ExportOptions) error {
	j, c, err := prepare(r, models)
	if err != nil {
		return err
	}
	return x.export(ctx, dir, r, c, c.DType, o, func(wanted []string) tensorSource {
		return x.mergedTensors(ctx, j, wanted, c.DType, !o.Sequential)
	})
}

// export writes the model of a recipe, whose tensors it gets from the source that
// open gives for those that are wanted, in this order.
func (x *Executor) export(ctx context.Context, dir string, r Recipe, c checkpoint.Config, dtype dtypes.DType, o ExportOptions, open func(wanted []string) tensorSource) (err error) {
	body, err := r.Canonical()
	if err != nil {
		return err
	}
	seen, err := openSight(r, o)
	if err != nil {
		return err
	}
	defer seen.close()
	shards := checkpoint.Shards(seen.beside(storedAs(c, dtype)), cmp.Or(o.ShardBytes, checkpoint.DefaultShardBytes))
	plan, err := exportPlan(body, shards, o)
	if err != nil {
		return err
	}
	to, err := openPlace(dir, o.Replace)
	if err != nil {
		return err
	}
	defer to.close()
	if err := to.resume(ctx, plan, o.Note); err != nil {
		return err
	}
	err = device.Try("export", func() error {
		files, err := lentFiles(r.words(), o) // before the weights: it may be what is wrong
		if err != nil {
			return err
		}
		if files[checkpoint.ConfigFile], err = seen.configFile(o, r, c, dtype); err != nil {
			return err
		}
		if err := exportWeights(ctx, to, shards, o, seen.source(open)); err != nil {
			return err
		}
		files[RecipeFile] = append(body, '\n')
		if err := exportFiles(to, r, body, c.NumHiddenLayers, files, o); err != nil {
			return err
		}
		return cancelled(ctx)
	})
	if err != nil {
		return to.ended(err, errors.Is(context.Cause(ctx), ErrSuspended))
	}
	return to.commit()
}

// exportFiles writes files, and the card; each is synced to disk before the next.
func exportFiles(to *exportPlace, r Recipe, body []byte, layers int, files map[string][]byte, o ExportOptions) error {
	if !o.NoCard {
		if o.Complete != nil {
			if err := o.Complete(&o.Card); err != nil {
				return err
			}
		}
		files["README.md"] = o.Card.page(filepath.Base(to.dir), r, body, layers)
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
