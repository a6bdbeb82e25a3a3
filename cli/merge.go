package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
)

func newMerge() *cobra.Command {
	var models, backend, out string
	cmd := &cobra.Command{
		Use:   "merge RECIPE.json -o FOLDER",
		Short: "Make a merge and write it as a Hugging Face folder",
		Long: `Merges the models that a recipe names and writes the result as a folder that
transformers and others load: weights in the recipe's dtype, configuration,
tokenizer and chat template of the base, the recipe, and a card. The folder
appears whole or not at all. RECIPE.json may be - for standard input.`,
		Example: `  mergeway merge recipe.json -o merged
  curl -s localhost:8080/v1/recipes/recipe-0123456789abcdef | jq .recipe | mergeway merge - -o merged`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{fmt.Errorf("-o is missing: the folder to write")}
			}
			recipe, err := readRecipe(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			dev, err := device.Open(device.Options{Backend: backend})
			if err != nil {
				return err
			}
			defer dev.Close()
			return mergeTo(cmd.Context(), cmd.OutOrStdout(), dev, models, recipe, out)
		},
	}
	f := cmd.Flags()
	f.StringVar(&models, "models", "zoo/models", "folder whose subfolders are the source models (Hugging Face layout)")
	f.StringVar(&backend, "backend", device.DefaultBackend, "GoMLX backend: xla:cpu or xla:cuda")
	f.StringVarP(&out, "out", "o", "", "folder to write; it must not exist")
	return cmd
}

// readRecipe reads a recipe from a file, or from in if the path is "-".
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
	recipe, err := merge.ParseRecipe(data)
	if err != nil {
		return merge.Recipe{}, fmt.Errorf("%s: %w", path, err)
	}
	return recipe, nil
}

// mergeTo loads the sources, merges them and writes the result.
func mergeTo(ctx context.Context, say io.Writer, dev *device.Device, models string, recipe merge.Recipe, out string) error {
	began := time.Now()
	executor := merge.NewExecutor(dev)
	defer executor.Close()
	folders := map[string]*checkpoint.Folder{}
	described := map[string]merge.Described{}
	for _, name := range recipe.Models() {
		folder, err := checkpoint.Open(filepath.Join(models, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("model %q: %w", name, err)
		}
		defer folder.Close()
		folders[name], described[name] = folder, merge.Described{Config: folder.Config(), Tensors: folder.Tensors()}
	}
	if err := merge.Fit(recipe, described); err != nil {
		return err
	}
	if _, err := os.Lstat(out); err == nil { // before the work, not after it
		return fault.New(fault.Conflict, "%s exists already; choose another folder or remove it", out)
	}
	sources := map[string]*infer.Weights{}
	for _, name := range recipe.Models() {
		weights, err := infer.LoadWeights(ctx, dev, folders[name], dtypes.InvalidDType)
		if err != nil {
			return fmt.Errorf("model %q: %w", name, err)
		}
		defer weights.Free()
		sources[name] = weights
		fmt.Fprintf(say, "%6.2f s  loaded %s\n", time.Since(began).Seconds(), name)
	}
	merged, err := executor.Merge(ctx, recipe, sources)
	if err != nil {
		return err
	}
	defer merged.Free()
	fmt.Fprintf(say, "%6.2f s  merged by %s\n", time.Since(began).Seconds(), recipe.Method)
	if err := executor.Export(ctx, out, folders[recipe.Parent()].Dir(), recipe, merged); err != nil {
		return err
	}
	fmt.Fprintf(say, "%6.2f s  written to %s\n", time.Since(began).Seconds(), out)
	return nil
}
