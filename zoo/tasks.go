package zoo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mergeway/mergeway/fault"
)

// TaskName is the task that the zoo's searches are about.
const TaskName = "ja-math"

// taskYAML describes the task to the search.
const taskYAML = `# Written by "mergeway zoo train". Hard word problems in Japanese: two-digit
# sums and differences, and 3–20 times 3–9, a third each. A reply is right if
# its last number is the answer and it is in Japanese.
name: ja-math
description: Japanese word problems, answered in Japanese
language: ja
extractor: last_number
metric: accuracy
max_tokens: 48
stop: []
`

// taskProblem is one line of a split's file.
type taskProblem struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// WriteTasks writes the task "Japanese maths" into dir/ja-math: its
// description, and one file of problems for each split. The same bytes come
// out every time.
func WriteTasks(dir string) error {
	dir = filepath.Join(dir, TaskName)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Internal, "make task folder %s", dir)
	}
	drawn, _ := drawSplits()
	files := map[string][]byte{"task.yaml": []byte(taskYAML)}
	for _, s := range splits {
		lines, err := taskLines(s.name, drawn[s.name])
		if err != nil {
			return err
		}
		files[s.name+".jsonl"] = lines
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fault.Wrap(err, fault.Internal, "write task file %s", name)
		}
	}
	return nil
}

// taskLines renders a split as JSON lines.
func taskLines(name string, problems []Problem) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, p := range problems {
		line := taskProblem{
			ID:       fmt.Sprintf("%s-%03d", name, i+1),
			Question: p.Question(Japanese),
			Answer:   strconv.Itoa(p.Result()),
		}
		if err := enc.Encode(line); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "write problem %s", line.ID)
		}
	}
	return out.Bytes(), nil
}
