package task

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// good is a task folder as the zoo writes it.
func good() map[string]string {
	return map[string]string{
		"task.yaml": `# a comment
name: sums
description: Sums in Japanese
language: ja
extractor: last_number
metric: accuracy
max_tokens: 48
stop: ["</s>"]
`,
		"search.jsonl":     `{"id":"s1","question":"1+1は？","answer":"2"}` + "\n" + `{"id":"s2","question":"1+2は？","answer":"3"}` + "\n",
		"validation.jsonl": `{"id":"v1","question":"2+2は？","answer":"4"}` + "\n\n",
		"test.jsonl":       `{"id":"t1","question":"2+3は？","answer":"5"}`,
	}
}

// write makes the folder root/sums.
func write(t *testing.T, root string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(root, "sums")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := write(t, t.TempDir(), good())
	task, err := Load(dir)
	require.NoError(t, err)
	assert.Equal(t, "sums", task.Name)
	assert.Equal(t, "Sums in Japanese", task.Description)
	assert.Equal(t, 48, task.MaxTokens)
	assert.Equal(t, []string{"</s>"}, task.Stop)
	assert.Equal(t, []Problem{{ID: "s1", Question: "1+1は？", Answer: "2"}, {ID: "s2", Question: "1+2は？", Answer: "3"}}, task.Problems(Search))
	assert.Equal(t, []int{2, 1, 1}, []int{task.Count(Search), task.Count(Validation), task.Count(Test)})
	assert.Equal(t, []chat.Message{{Role: "user", Content: "1+1は？"}}, task.Messages(task.Problems(Search)[0]))
	assert.True(t, scored(t, task, task.Problems(Test)[0], "答えは5です").Correct)

	again, err := Load(dir)
	require.NoError(t, err)
	assert.Equal(t, task.Digest, again.Digest)
	files := good()
	files["test.jsonl"] = strings.ReplaceAll(files["test.jsonl"], "5", "6")
	changed, err := Load(write(t, t.TempDir(), files))
	require.NoError(t, err)
	assert.NotEqual(t, task.Digest, changed.Digest)
}

func TestDefaultsAndPrompt(t *testing.T) {
	files := good()
	files["task.yaml"] = "name: sums\nsystem: Be brief.\nprompt: \"問題：{question} 答えは？\"\n"
	task, err := Load(write(t, t.TempDir(), files))
	require.NoError(t, err)
	assert.Equal(t, LastNumber, task.Extractor)
	assert.Equal(t, defaultMaxTokens, task.MaxTokens)
	assert.True(t, scored(t, task, Problem{Answer: "5"}, "5").Correct, "no language is asked for")
	assert.Equal(t, []chat.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "問題：1+1は？ 答えは？"},
	}, task.Messages(task.Problems(Search)[0]))
}

func TestWhatIsWrongIsSaidWithFileAndLine(t *testing.T) {
	yaml := func(old, new string) func(map[string]string) {
		return func(f map[string]string) { f["task.yaml"] = strings.Replace(f["task.yaml"], old, new, 1) }
	}
	set := func(name, text string) func(map[string]string) {
		return func(f map[string]string) { f[name] = text }
	}
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   string
	}{
		"unknown key":           {yaml("language: ja", "langauge: ja"), `sums/task.yaml:4: unknown field "langauge"`},
		"key twice":             {yaml("metric: accuracy", "name: sums"), "sums/task.yaml:6: "},
		"wrong type":            {yaml("48", "many"), "sums/task.yaml:7: "},
		"not YAML":              {set("task.yaml", "name: [\n"), "sums/task.yaml:"},
		"other name":            {yaml("name: sums", "name: other"), `sums/task.yaml:2: name: "other" has to be the name of the folder`},
		"bad name":              {yaml("name: sums", "name: ../sums"), "sums/task.yaml:2: name: "},
		"unknown language":      {yaml("ja", "tlh"), `sums/task.yaml:4: language: unknown language "tlh"`},
		"unknown extractor":     {yaml("last_number", "first"), `sums/task.yaml:5: extractor: "first"`},
		"unknown metric":        {yaml("accuracy", "bleu"), `sums/task.yaml:6: metric: "bleu"`},
		"no tokens":             {yaml("48", "0"), "sums/task.yaml:7: max_tokens: 0"},
		"empty stop":            {yaml(`"</s>"`, `""`), "sums/task.yaml:8: stop: "},
		"prompt sans question":  {yaml("metric: accuracy", "prompt: Go!"), "sums/task.yaml:6: prompt: "},
		"description too long":  {yaml("a comment", strings.Repeat("x", maxDescriptionBytes)), "sums/task.yaml: longer than"},
		"no split at all":       {func(f map[string]string) { clear(f); f["task.yaml"] = "name: sums" }, "sums/task.yaml: a task needs at least one of search.jsonl"},
		"empty split":           {set("test.jsonl", "\n\n"), "sums/test.jsonl: no problems"},
		"not JSON":              {set("test.jsonl", "\n{"), "sums/test.jsonl:2: "},
		"two objects in a line": {set("test.jsonl", `{"id":"t1","question":"q","answer":"5"} {}`), "sums/test.jsonl:1: something follows"},
		"unknown field":         {set("test.jsonl", `{"id":"t1","question":"q","answer":"5","x":1}`), "sums/test.jsonl:1: "},
		"no question":           {set("test.jsonl", `{"id":"t1","answer":"5"}`), "sums/test.jsonl:1: "},
		"answer not a number":   {set("test.jsonl", `{"id":"t1","question":"q","answer":"five"}`), `sums/test.jsonl:1: the answer "five"`},
		"line too long":         {set("test.jsonl", `{"id":"`+strings.Repeat("x", maxLineBytes)+`"}`), "sums/test.jsonl:1: "},
		"id twice":              {set("test.jsonl", `{"id":"s2","question":"q","answer":"5"}`), `search.jsonl:2`},
		"question in two splits": {
			set("test.jsonl", `{"id":"t1","question":"  ２＋２は？ ","answer":"4"}`),
			`sums/test.jsonl:1: problem "t1" asks what problem "v1" of the validation split does (validation.jsonl:1)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := good()
			c.change(files)
			_, err := Load(write(t, t.TempDir(), files))
			require.Error(t, err)
			assert.Equal(t, fault.Damaged, fault.CodeOf(err))
			assert.Contains(t, filepath.ToSlash(err.Error()), c.want)
		})
	}
}

func TestLibrary(t *testing.T) {
	root := t.TempDir()
	broken := good()
	broken["test.jsonl"] = "{"
	dir := write(t, root, broken)
	require.NoError(t, os.Mkdir(filepath.Join(root, "no-task"), 0o755))
	l := NewLibrary(root, Loader{})

	for _, name := range []string{"none", "no-task", "", "..", "../sums", "sums/."} {
		_, err := l.Get(t.Context(), name)
		assert.Equal(t, fault.NotFound, fault.CodeOf(err), "%q", name)
	}
	_, err := l.Get(t.Context(), "sums")
	assert.Equal(t, fault.Damaged, fault.CodeOf(err))
	all, err := l.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Error(t, all[0].Err)

	write(t, root, good())
	first, err := l.Get(t.Context(), "sums")
	require.NoError(t, err, "a mended folder works without a restart")
	again, err := l.Get(t.Context(), "sums")
	require.NoError(t, err)
	assert.Same(t, first, again)

	changed := good()
	changed["test.jsonl"] = `{"id":"other","question":"something else","answer":"5"}`
	write(t, root, changed)
	other, err := l.Get(t.Context(), "sums")
	require.NoError(t, err)
	assert.NotEqual(t, first.Digest, other.Digest, "what has changed is read again")
	require.NoError(t, os.RemoveAll(dir))
	_, err = l.Get(t.Context(), "sums")
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))

	_, err = NewLibrary(filepath.Join(root, "missing"), Loader{}).List(t.Context())
	assert.Equal(t, fault.Unavailable, fault.CodeOf(err))
}

// scored is a verdict that can be found.
func scored(t *testing.T, task *Task, p Problem, reply string) Outcome {
	t.Helper()
	o, err := task.Score(t.Context(), p, Reply{Text: reply})
	require.NoError(t, err)
	return o
}
