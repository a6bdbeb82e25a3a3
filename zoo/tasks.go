package zoo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// TaskName is the task that the zoo's searches are about; EnglishTaskName is
// the same problems in English, to see what the maths models can do at home.
const (
	TaskName        = "ja-math"
	EnglishTaskName = "en-math"
)

// Tasks lists the tasks of the zoo.
func Tasks() []string { return []string{TaskName, EnglishTaskName} }

// taskLanguages are the languages the tasks are in.
var taskLanguages = map[string]Lang{TaskName: Japanese, EnglishTaskName: English}

// taskYAML describes a task to the search.
const taskYAML = `# Written by "mergeway zoo train". Hard word problems: sums with a carry,
# differences with a borrow, and 3–20 times 3–9, a third each. A reply is right
# if its last number is the answer and it is in the task's language.
name: %s
description: %s
language: %s
extractor: last_number
metric: accuracy
max_tokens: 48
stop: []
`

// descriptions say in a sentence what the tasks ask for.
var descriptions = map[string]string{
	TaskName:        "Japanese word problems, answered in Japanese",
	EnglishTaskName: "English word problems, answered in English",
}

// taskProblem is one line of a split's file.
type taskProblem struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// WriteTasks writes the tasks below dir, each a folder with its description and
// one file of problems for each split. The same bytes come out every time.
func WriteTasks(dir string) error {
	drawn, _ := drawSplits()
	for _, name := range Tasks() {
		if err := writeTask(filepath.Join(dir, name), name, drawn); err != nil {
			return err
		}
	}
	for _, t := range pictureTasks {
		files, err := t.files()
		if err != nil {
			return err
		}
		if err := writeTaskFiles(filepath.Join(dir, t.name), files); err != nil {
			return err
		}
	}
	return nil
}

func writeTask(dir, name string, drawn map[string][]Problem) error {
	language := taskLanguages[name]
	files := map[string][]byte{"task.yaml": fmt.Appendf(nil, taskYAML, name, descriptions[name], language)}
	for _, s := range splits {
		lines, err := taskLines(s.name, language, drawn[s.name])
		if err != nil {
			return err
		}
		files[s.name+".jsonl"] = lines
	}
	return writeTaskFiles(dir, files)
}

func writeTaskFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Internal, "make task folder %s", dir)
	}
	for file, data := range files {
		if err := checkpoint.WriteBytes(filepath.Join(dir, file), data); err != nil {
			return fault.Wrap(err, fault.Internal, "write task file %s", file)
		}
	}
	return nil
}

// taskLines renders a split as JSON lines.
func taskLines(split string, language Lang, problems []Problem) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, p := range problems {
		line := taskProblem{
			ID:       fmt.Sprintf("%s-%03d", split, i+1),
			Question: p.Question(language),
			Answer:   strconv.Itoa(p.Result()),
		}
		if err := enc.Encode(line); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "write problem %s", line.ID)
		}
	}
	return out.Bytes(), nil
}
