package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
)

// mergeSettings are the flags of merge.
type mergeSettings struct {
	Models  string
	Backend string
	Budget  byteSize
	Out     string
	Shard   byteSize
	Words   bool
	NoWords bool
	Card    bool
	NoCard  bool
	Force   bool
	DryRun  bool
}

// minShard is the smallest --out-shard-size: below lie typing errors, and
// mergekit's numbers of parameters (5B).
const minShard = 1 << 20

func newMerge() *cobra.Command {
	var s mergeSettings
	cmd := &cobra.Command{
		Use:   "merge RECIPE -o FOLDER",
		Short: "Make a merge and write it as a Hugging Face folder",
		Long: `Merges the models that a recipe names and writes the result as a folder that
transformers, vLLM and llama.cpp's converter load: weights in the recipe's dtype,
configuration, tokenizer and chat templates of the base, the recipe, and a card.
RECIPE is a file in mergekit's YAML or in JSON as the API has it, or - for
standard input.

Models are read, merged and written unit by unit (a block, or an end of the
model), so that no model has to fit into memory; --dry-run tells what it takes.

The folder appears whole or not at all. One that was written before is replaced
with --force; anything else that is there is left alone. A merge that was killed,
terminated, or failed for want of disk is gone on with by the same command: the
files of weights that were complete are kept beside the folder. Interrupted with
Ctrl-C it leaves nothing.`,
		Example: `  mergeway merge recipe.yaml -o merged
  mergeway merge recipe.yaml -o merged --dry-run
  curl -s 'localhost:8080/v1/recipes/recipe-0123456789abcdef?format=yaml' | mergeway merge - -o merged --force`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.check(); err != nil {
				return err
			}
			recipe, err := readRecipe(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			dev, err := device.Open(device.Options{Backend: s.Backend})
			if err != nil {
				return err
			}
			defer dev.Close()
			j, err := s.open(dev, recipe, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer j.close()
			if s.DryRun {
				return j.explain()
			}
			return j.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Models, "models", "zoo/models", "folder whose subfolders are the source models (Hugging Face layout)")
	f.StringVar(&s.Backend, "backend", device.DefaultBackend, "GoMLX backend: xla:cpu or xla:cuda")
	f.Var(&s.Budget, "budget", "device memory for what is merged at a time (0: what is fastest, see --dry-run)")
	f.StringVarP(&s.Out, "out", "o", "", "folder to write")
	s.Shard = checkpoint.DefaultShardBytes
	f.Var(&s.Shard, "out-shard-size", "bytes beyond which weights are divided into files")
	f.BoolVar(&s.Words, "copy-tokenizer", true, "write the tokenizer and the chat templates of the base")
	f.BoolVar(&s.NoWords, "no-copy-tokenizer", false, "don't")
	f.BoolVar(&s.Card, "write-model-card", true, "write README.md, with the digests of the sources")
	f.BoolVar(&s.NoCard, "no-write-model-card", false, "don't")
	f.BoolVar(&s.Force, "force", false, "replace a folder that a merge was written to before")
	f.BoolVar(&s.DryRun, "dry-run", false, "check the recipe against its sources, and print what the merge will take")
	return cmd
}

// check refuses settings that make no sense, and settles those that can be given
// in two ways.
func (s *mergeSettings) check() error {
	if s.Out == "" {
		return usageError{errors.New("-o is missing: the folder to write")}
	}
	if s.Shard < minShard {
		return usageError{fmt.Errorf("--out-shard-size is %d bytes: it must be at least %d. It counts bytes (5GB), not parameters (5B)", int64(s.Shard), minShard)}
	}
	s.NoWords = s.NoWords || !s.Words
	s.NoCard = s.NoCard || !s.Card
	return nil
}

// readRecipe reads a recipe, JSON or mergekit's YAML, from a file, or from in if
// the path is "-".
func readRecipe(in io.Reader, path string) (merge.Recipe, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return merge.Recipe{}, usageError{err}
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, merge.MaxRecipeBytes+1))
	if err != nil {
		return merge.Recipe{}, fmt.Errorf("read the recipe: %w", err)
	}
	var recipe merge.Recipe
	// JSON is YAML, but a recipe of ours has other keys than one of mergekit's.
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		recipe, err = merge.ParseRecipe(data)
	} else {
		var document merge.Document
		document, err = merge.ParseYAML(data)
		recipe = document.Recipe
	}
	if err != nil {
		return merge.Recipe{}, fmt.Errorf("%s: %w", path, err)
	}
	return recipe, nil
}
