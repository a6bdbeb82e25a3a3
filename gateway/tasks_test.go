package gateway

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// newTaskBench is a bench whose tasks are real, with room for two that are
// uploaded.
func newTaskBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	bolt, err := store.OpenBolt(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = bolt.Close() })
	shelf := task.NewShelf(task.NewLibrary("../zoo/tasks", task.Loader{}), task.Loader{}, bolt, 2)
	return newBench(t, append([]func(*Options){func(o *Options) { o.Tasks = shelf }}, change...)...)
}

// upload is the body of a task.
func upload(t *testing.T, yaml string, splits map[string]any) string {
	t.Helper()
	body := map[string]any{"yaml": yaml}
	for name, split := range splits {
		body[name] = split
	}
	data, err := json.Marshal(body)
	require.NoError(t, err)
	return string(data)
}

const choiceYAML = "name: colours\ndescription: which colour\nmetric: multiple_choice\nprompt: '{question}？'\nexamples: [{question: 海, choices: [青, 赤], answer: 青}]\n"

func TestATaskIsUploadedAsLinesAsAListAndAsAForm(t *testing.T) {
	b := newTaskBench(t)
	line := `{"id": "1", "question": "空", "choices": ["青", "赤"], "answer": "青"}`
	r := b.send("POST", "/v1/tasks", upload(t, choiceYAML, map[string]any{"test": line + "\n"}))
	require.Equal(t, http.StatusCreated, r.status, r.body)
	require.Equal(t, "/v1/tasks/colours", r.header.Get("Location"))
	var made, again, got Task
	r.into(t, &made)
	require.Equal(t, Task{
		ID: "colours", Object: "task", Description: "which colour", Metric: "multiple_choice", Weight: 1, Uploaded: true,
		Problems: map[string]int{"search": 0, "validation": 0, "test": 1}, Digest: made.Digest,
	}, made)
	require.Regexp(t, "^sha256:", made.Digest)

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file, err := w.CreateFormFile("test", "test.jsonl")
	require.NoError(t, err)
	_, err = file.Write([]byte(line + "\n"))
	require.NoError(t, err)
	require.NoError(t, w.WriteField("yaml", choiceYAML))
	require.NoError(t, w.Close())
	r = b.send("POST", "/v1/tasks", form.String(), header("Content-Type", w.FormDataContentType()))
	require.Equal(t, http.StatusOK, r.status, "the same again changes nothing: %s", r.body)
	r.into(t, &again)
	require.Equal(t, made, again)
	b.send("GET", "/v1/tasks/colours", "").into(t, &got)
	require.Equal(t, made, got)

	list := strings.Replace(choiceYAML, "colours", "listed", 1)
	r = b.send("POST", "/v1/tasks", upload(t, list, map[string]any{"search": []any{json.RawMessage(line)}}))
	require.Equal(t, http.StatusCreated, r.status, r.body)
	b.send("POST", "/v1/tasks", upload(t, strings.Replace(choiceYAML, "colours", "third", 1), map[string]any{"test": line})).requireError(t, 409, "conflict", "")

	require.Equal(t, 200, b.send("DELETE", "/v1/tasks/colours", "").status)
	b.send("GET", "/v1/tasks/colours", "").requireError(t, 404, "not_found", "")
	b.send("DELETE", "/v1/tasks/colours", "").requireError(t, 404, "not_found", "")
	b.send("DELETE", "/v1/tasks/ja-math", "").requireError(t, 409, "conflict", "")
}

func TestATaskThatIsNeededIsNotDeleted(t *testing.T) {
	b := newTaskBench(t)
	require.Equal(t, 201, b.send("POST", "/v1/tasks", upload(t, "name: mine", map[string]any{"test": []any{map[string]string{"id": "1", "question": "q", "answer": "1"}}})).status)
	b.searches.search.Spec.Task = "mine"
	b.send("DELETE", "/v1/tasks/mine", "").requireError(t, 409, "conflict", "")
	b.searches.search.Spec.Task, b.searches.search.Spec.Objectives = "ja-math", []search.Objective{{Task: "ja-math"}, {Task: "mine"}}
	b.send("DELETE", "/v1/tasks/mine", "").requireError(t, 409, "conflict", "")
	b.searches.search.State = search.Done
	require.Equal(t, 200, b.send("DELETE", "/v1/tasks/mine", "").status)
}

func TestUploadsThatAreWrong(t *testing.T) {
	b := newTaskBench(t, func(o *Options) { o.Limits.TaskBytes = 2000 })
	one := map[string]any{"test": []any{map[string]string{"id": "1", "question": "q", "answer": "1"}}}
	for name, c := range map[string]struct {
		body        string
		status      int
		code, param string
	}{
		"no yaml":            {upload(t, "", one), 400, "invalid", "yaml"},
		"broken yaml":        {upload(t, "name: [", one), 400, "invalid", "yaml"},
		"unknown key":        {upload(t, "name: x\ncolour: red", one), 400, "invalid", "yaml"},
		"no problems":        {upload(t, "name: x", nil), 400, "invalid", "test"},
		"a number":           {upload(t, "name: x", map[string]any{"test": 7}), 400, "invalid", "test"},
		"a bad problem":      {upload(t, "name: x", map[string]any{"search": []any{1}}), 400, "invalid", "search"},
		"a bad answer":       {upload(t, "name: x", map[string]any{"validation": `{"id":"1","question":"q","answer":"x"}`}), 400, "invalid", "validation"},
		"overlap":            {upload(t, "name: x", map[string]any{"search": `{"id":"1","question":"q","answer":"1"}`, "test": `{"id":"2","question":"Ｑ ","answer":"1"}`}), 400, "invalid", "test"},
		"another field":      {upload(t, "name: x", map[string]any{"train": "x"}), 400, "invalid", "train"},
		"a name in use":      {upload(t, "name: ja-math", one), 409, "conflict", "yaml"},
		"too long":           {upload(t, "name: x\n#"+strings.Repeat("x", 3000), one), 413, "too_large", ""},
		"not even an object": {"[]", 400, "invalid", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b.send("POST", "/v1/tasks", c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	b.send("POST", "/v1/tasks", "x", header("Content-Type", "text/plain")).requireError(t, 415, "unsupported_media_type", "")
	for name, c := range map[string]struct{ body, param string }{
		"no form":       {"x", "yaml"},
		"another part":  {"--b\r\nContent-Disposition: form-data; name=\"train\"\r\n\r\nx\r\n--b--\r\n", "train"},
		"a part twice":  {strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"yaml\"\r\n\r\nx\r\n", 2) + "--b--\r\n", "yaml"},
		"without yaml":  {"--b\r\nContent-Disposition: form-data; name=\"test\"\r\n\r\nx\r\n--b--\r\n", "yaml"},
		"a part is cut": {"--b\r\nContent-Disposition: form-data; name=\"yaml\"\r\n\r\nx", ""},
	} {
		t.Run("form: "+name, func(t *testing.T) {
			b.send("POST", "/v1/tasks", c.body, header("Content-Type", "multipart/form-data; boundary=b")).requireError(t, 400, "invalid", c.param)
		})
	}
}

func TestATaskIsPreviewed(t *testing.T) {
	b := newTaskBench(t)
	problems := []any{
		map[string]any{"id": "1", "question": "空", "choices": []string{"青", "赤"}, "answer": "青"},
		map[string]any{"id": "2", "question": "雪", "choices": []string{"黒", "白"}, "answer": "白", "answers": []string{"白"}},
	}
	require.Equal(t, 201, b.send("POST", "/v1/tasks", upload(t, choiceYAML, map[string]any{"validation": problems})).status)
	var p TaskPreview
	b.send("GET", "/v1/tasks/colours/preview?limit=1", "").into(t, &p)
	require.Equal(t, TaskPreview{Object: "list", Total: 2, HasMore: true, Data: []PreviewedProblem{{
		ID: "1", Choices: []string{"青", "赤"}, Answers: []string{"青"},
		Messages: []task.Turn{{Role: "user", Content: "海？"}, {Role: "assistant", Content: "青"}, {Role: "user", Content: "空？"}},
	}}}, p)
	p = TaskPreview{}
	b.send("GET", "/v1/tasks/colours/preview?offset=1&split=validation&model=base", "").into(t, &p)
	require.Len(t, p.Data, 1)
	require.Equal(t, []string{"白", "白"}, p.Data[0].Answers)
	require.Contains(t, p.Data[0].Prompt, "雪？")
	require.NotEqual(t, "雪？", p.Data[0].Prompt, "in the model's template")

	text := "name: text\nmetric: exact_match\nformat: text\nprompt: '問：{question}\n\n答：'\n"
	require.Equal(t, 201, b.send("POST", "/v1/tasks", upload(t, text, map[string]any{"test": []any{map[string]string{"id": "1", "question": "q", "answer": "a"}}})).status)
	p = TaskPreview{}
	b.send("GET", "/v1/tasks/text/preview", "").into(t, &p)
	require.Equal(t, []PreviewedProblem{{ID: "1", Prompt: "問：q\n答：", Answers: []string{"a"}}}, p.Data)

	for query, want := range map[string]struct {
		status      int
		code, param string
	}{
		"colours/preview?split=test": {400, "invalid", "split"}, "colours/preview?split=x": {400, "invalid", "split"},
		"colours/preview?limit=0": {400, "invalid", "limit"}, "colours/preview?offset=-1": {400, "invalid", "offset"},
		"colours/preview?model=none": {404, "model_not_found", "model"}, "none/preview": {404, "not_found", ""},
	} {
		b.send("GET", "/v1/tasks/"+query, "").requireError(t, want.status, want.code, want.param)
	}
}
