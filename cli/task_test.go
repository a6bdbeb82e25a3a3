package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

func TestATaskIsImportedSplitBySplit(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	folder := filepath.Join(dir, "mgsm-ja")
	test := file("test.tsv", "りんごは何個ですか。\t5\n")
	code, out, errs := run(t, "task", "import", "mgsm", test, "-o", folder)
	require.Zero(t, code, errs)
	require.Contains(t, out, "mgsm-ja: accuracy; problems: 0 search 0 validation 1 test; sha256:")

	more := file("search.jsonl", `{"id": "s", "question": "みかんは何個ですか。", "answer": "#### 7"}`)
	code, out, errs = run(t, "task", "import", "gsm8k", more, "-o", folder, "--split", "search")
	require.Zero(t, code, errs)
	require.Contains(t, out, "1 search 0 validation 1 test")
	made, err := task.Load(folder)
	require.NoError(t, err)
	require.Equal(t, "ja", made.Language, "task.yaml is that of the first file")
	code, out, errs = run(t, "task", "check", folder)
	require.Zero(t, code, errs)
	require.Contains(t, out, made.Digest)

	code, _, errs = run(t, "task", "import", "mgsm", test, "-o", folder)
	require.NotZero(t, code, "a split is not written over")
	require.Contains(t, errs, "test.jsonl")
	same := file("same.jsonl", `{"id": "v", "question": "りんごは、何個ですか。", "answer": "#### 5"}`+"\n"+`{"id": "w", "question": "りんごは何個ですか。", "answer": "#### 5"}`)
	code, _, errs = run(t, "task", "import", "gsm8k", same, "-o", folder, "--split", "validation")
	require.NotZero(t, code)
	require.Contains(t, errs, `problem "0" asks what problem "w" of the validation split does`)
	_, err = os.Stat(filepath.Join(folder, "validation.jsonl"))
	require.True(t, os.IsNotExist(err), "what doesn't go with the rest is not written")
}

func TestATaskOfPicturesIsImportedWithItsPictures(t *testing.T) {
	dir := t.TempDir()
	picture, err := os.ReadFile("../search/task/formats/testdata/ja-vg-vqa.parquet")
	require.NoError(t, err)
	file := filepath.Join(dir, "test.parquet")
	require.NoError(t, os.WriteFile(file, picture, 0o644))
	folder := filepath.Join(dir, "photographs")
	code, out, errs := run(t, "task", "import", "ja-vg-vqa", file, "-o", folder)
	require.Zero(t, code, errs)
	require.Contains(t, out, "photographs: rougeL; problems: 0 search 0 validation 3 test; sha256:")
	code, out, errs = run(t, "task", "import", "ja-vlm-bench", "../search/task/formats/testdata/ja-vlm-bench.parquet", "-o", folder, "--split", "search")
	require.Zero(t, code, errs)
	require.Contains(t, out, "3 search 0 validation 3 test", "two of its pictures are those of the other split")
	made, err := task.Load(folder)
	require.NoError(t, err)
	shown := made.Pictures(made.Problems(task.Test)[0])
	require.Equal(t, shown, made.Pictures(made.Problems(task.Search)[0]))
	require.NotEmpty(t, shown[0].Data)

	lines := filepath.Join(dir, "lines.jsonl")
	require.NoError(t, os.WriteFile(lines, []byte(`{"image": "photographs/`+shown[0].Name+`", "question": "この旗は好きですか？", "answer": "はい"}`), 0o644))
	code, out, errs = run(t, "task", "import", "vqa", lines, "-o", folder, "--split", "validation")
	require.NotZero(t, code, "an id is used twice")
	require.Contains(t, errs, `id "0" was used at`)
	require.NoError(t, os.WriteFile(lines, []byte(`{"id": "v", "image": "photographs/`+shown[0].Name+`", "question": "この旗は好きですか？", "answer": "はい"}`), 0o644))
	code, out, errs = run(t, "task", "import", "vqa", lines, "-o", folder, "--split", "validation")
	require.Zero(t, code, errs)
	require.Contains(t, out, "3 search 1 validation 3 test")
}

func TestImportsThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`{"question": "q", "answer": "#### many"}`), 0o644))
	out := filepath.Join(dir, "out")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no folder":         {[]string{"gsm8k", path}, "-o is missing"},
		"no file":           {[]string{"gsm8k", filepath.Join(dir, "none"), "-o", out}, "no such file"},
		"unknown format":    {[]string{"csv", path, "-o", out}, `unknown format "csv"`},
		"unknown split":     {[]string{"gsm8k", path, "-o", out, "--split", "train"}, `unknown split "train"`},
		"no format":         {[]string{path, "-o", out}, "accepts 2 arg(s)"},
		"no number":         {[]string{"gsm8k", path, "-o", out}, `"many" is not a number`},
		"a folder's name":   {[]string{"gsm8k", path, "-o", filepath.Join(dir, "a b")}, "is not a name"},
		"another's format":  {[]string{"jsquad", path, "-o", out}, "no problems"},
		"not that format's": {[]string{"xlsum-ja", path, "-o", out}, "is not XL-Sum's"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := run(t, append([]string{"task", "import"}, c.args...)...)
			require.Equal(t, exitUsage, code, errs)
			require.Contains(t, errs, c.want)
			_, err := os.Stat(out)
			require.True(t, os.IsNotExist(err), "nothing is written")
		})
	}
	code, _, errs := run(t, "task", "check", dir)
	require.NotZero(t, code)
	require.True(t, strings.Contains(errs, "task.yaml"), errs)
}
