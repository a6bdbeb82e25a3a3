package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/search/task/formats"
)

func newTask() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "task",
		Short: "Make and check tasks",
		Long:  `A task is a folder: task.yaml says how problems are asked and replies are scored, and search.jsonl, validation.jsonl and test.jsonl, or some of them, hold the problems. Pictures that these show lie beside them.`,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args:  usage(cobra.NoArgs),
	}
	cmd.AddCommand(newTaskImport(), newTaskCheck())
	return cmd
}

// maxImportBytes is the longest file that is imported.
const maxImportBytes = 256 << 20

func newTaskImport() *cobra.Command {
	var folder, split string
	var list strings.Builder
	for _, name := range formats.Names() {
		fmt.Fprintf(&list, "\n  %-15s %s", name, formats.About(name))
	}
	cmd := &cobra.Command{
		Use:   "import FORMAT FILE -o FOLDER",
		Short: "Make a task of a data set as it is published",
		Long: `Reads a file in the format of its publisher, and writes it as one split of a task,
with a task.yaml that asks its questions in the usual way and can be edited. If the
folder is there already, with its task.yaml, the split is added to it. The task has
the folder's name. Pictures that the file holds, or names among those in its folder,
become files of the task.

Formats:` + list.String(),
		Example: `  mergeway task import mgsm mgsm_ja.tsv -o tasks/mgsm-ja
  mergeway task import gsm8k train.jsonl -o tasks/gsm8k --split search
  mergeway task import ja-vg-vqa test-00000-of-00001.parquet -o tasks/ja-vg-vqa`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder == "" {
				return usageError{fmt.Errorf("-o is missing: the folder to write")}
			}
			data, err := readWhole(args[1], maxImportBytes)
			if err != nil {
				return err
			}
			beside, err := os.OpenRoot(filepath.Dir(args[1]))
			if err != nil {
				return usageError{err}
			}
			defer beside.Close()
			files, err := formats.Import(args[0], filepath.Base(filepath.Clean(folder)), task.Split(split), data, beside.FS())
			if err != nil {
				return err
			}
			t, err := addSplit(folder, files)
			if err != nil {
				return err
			}
			printTask(cmd.OutOrStdout(), t)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&folder, "output", "o", "", "folder to write; its name is the task's")
	f.StringVar(&split, "split", string(task.Test), "what the problems are for: search, validation or test")
	return cmd
}

// addSplit writes a split into a task's folder, which is made if it isn't there. What
// makes no task with the rest is not written.
func addSplit(folder string, added task.Files) (*task.Task, error) {
	whole := added
	if _, err := os.Stat(filepath.Join(folder, "task.yaml")); err == nil {
		there, err := task.Read(folder)
		if err != nil {
			return nil, err
		}
		whole, added.YAML = there, nil
		for split, data := range added.Splits {
			if there.Splits[split] != nil {
				return nil, fault.New(fault.Conflict, "%s has a %s.jsonl already", folder, split)
			}
			whole.Splits[split] = data
		}
		whole.Pictures = maps.Clone(added.Pictures)
		maps.Copy(whole.Pictures, there.Pictures) // what has the same name is the same
	}
	t, err := task.Loader{}.Parse(whole)
	if err != nil {
		return nil, err
	}
	return t, added.Write(folder)
}

func newTaskCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FOLDER...",
		Short: "Read tasks as the server does, and say what is wrong with them",
		Args:  usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, folders []string) error {
			for _, folder := range folders {
				path, err := filepath.Abs(folder)
				if err != nil {
					return err
				}
				t, err := task.Load(path)
				if err != nil {
					return err
				}
				printTask(cmd.OutOrStdout(), t)
			}
			return nil
		},
	}
}

// printTask says in a line what a task is.
func printTask(w io.Writer, t *task.Task) {
	fmt.Fprintf(w, "%s: %s; problems:", t.Name, t.Metric)
	for _, split := range task.Splits() {
		fmt.Fprintf(w, " %d %s", t.Count(split), split)
	}
	fmt.Fprintf(w, "; %s\n", t.Digest)
}

// readWhole reads a file of at most so many bytes.
func readWhole(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, usageError{fmt.Errorf("%s is longer than %d bytes", path, limit)}
	}
	return data, nil
}
