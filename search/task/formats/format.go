package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// format is a published format.
type format struct {
	// about says what a file in the format holds, in a few words.
	about string
	// problems reads a file; pictured does where its problems show pictures.
	problems func(data []byte) ([]task.Problem, error)
	pictured func(f *file) ([]task.Problem, error)
	// describe gives what task.yaml says beside the name, for the problems read.
	describe func(problems []task.Problem) description
}

// description is a task.yaml as imports write it.
type description struct {
	Name              string  `yaml:"name"`
	Description       string  `yaml:"description"`
	Language          string  `yaml:"language,omitempty"`
	Gate              string  `yaml:"gate,omitempty"`
	Metric            string  `yaml:"metric"`
	Extractor         string  `yaml:"extractor,omitempty"`
	Pattern           string  `yaml:"pattern,omitempty"`
	Format            string  `yaml:"format,omitempty"`
	System            string  `yaml:"system,omitempty"`
	Prompt            *string `yaml:"prompt,omitempty"`
	MaxTokens         int     `yaml:"max_tokens,omitempty"`
	Beams             int     `yaml:"beams,omitempty"`
	RepetitionPenalty float64 `yaml:"repetition_penalty,omitempty"`
	Stop              quoted  `yaml:"stop,omitempty"`
}

// quoted are strings that are written in quotes: of a line break alone nothing
// would be left in a block.
type quoted []string

// MarshalYAML implements yaml.BytesMarshaler: JSON is YAML.
func (q quoted) MarshalYAML() ([]byte, error) { return json.Marshal([]string(q)) }

// formats has each format by its name.
func formats() map[string]format {
	return map[string]format{
		"mgsm":           mgsm(),
		"gsm8k":          gsm8k(),
		"jcommonsenseqa": jcommonsenseqa(),
		"jnli":           jnli(),
		"marc-ja":        marcJA(),
		"jsquad":         jsquad(),
		"jaqket":         jaqket(),
		"xlsum-ja":       xlsumJA(),
		"xwinograd-ja":   xwinogradJA(),
		"ja-vg-vqa":      jaVGVQA(),
		"ja-vlm-bench":   jaVLMBench(),
		"vqa":            vqa(),
	}
}

// Names lists the formats.
func Names() []string { return slices.Sorted(maps.Keys(formats())) }

// About says what a file in a format holds.
func About(name string) string { return formats()[name].about }

// Import makes a task of a file: one split of it, its task.yaml, and the pictures
// that the file holds or names among those beside it, which may be nil.
func Import(formatName, taskName string, split task.Split, data []byte, beside fs.FS) (task.Files, error) {
	f, known := formats()[formatName]
	if !known {
		return task.Files{}, fault.Bad("format", "unknown format %q: it is one of %s", formatName, strings.Join(Names(), ", "))
	}
	if !slices.Contains(task.Splits(), split) {
		return task.Files{}, fault.Bad("split", "unknown split %q: it is one of %v", string(split), task.Splits())
	}
	if err := task.CheckName(taskName); err != nil {
		return task.Files{}, err
	}
	from := file{data: bytes.TrimPrefix(data, []byte("\ufeff")), beside: beside, found: map[string][]byte{}}
	problems, err := f.read(&from)
	if err != nil {
		return task.Files{}, &fault.Error{Code: fault.Invalid, Message: "the file is not " + f.about, Err: err}
	}
	if len(problems) == 0 {
		return task.Files{}, fault.New(fault.Invalid, "the file holds no problems")
	}
	d := f.describe(problems)
	d.Name = taskName
	files := task.Files{Splits: map[task.Split][]byte{}, Pictures: from.found}
	if files.YAML, err = yaml.Marshal(d); err != nil {
		return files, fault.Wrap(err, fault.Internal, "task.yaml can't be written")
	}
	var lines bytes.Buffer
	w := json.NewEncoder(&lines)
	w.SetEscapeHTML(false)
	for _, p := range problems {
		if err := w.Encode(p); err != nil {
			return files, fault.Wrap(err, fault.Internal, "problem %s can't be written", p.ID)
		}
	}
	files.Splits[split] = lines.Bytes()
	return files, nil
}

// read gives the problems of a file.
func (f format) read(from *file) ([]task.Problem, error) {
	if f.pictured != nil {
		return f.pictured(from)
	}
	return f.problems(from.data)
}

// readLines reads a file of JSON objects, one a line or in one list, and makes a
// problem of each. Fields that nobody asks for are passed over: publishers add some.
func readLines[T any](data []byte, problem func(n int, row T) (task.Problem, error)) ([]task.Problem, error) {
	var problems []task.Problem
	add := func(at string, raw []byte) error {
		var row T
		if err := json.Unmarshal(raw, &row); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		p, err := problem(len(problems), row)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		problems = append(problems, p)
		return nil
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '[' {
		var rows []json.RawMessage
		if err := json.Unmarshal(trimmed, &rows); err != nil {
			return nil, err
		}
		for i, raw := range rows {
			if err := add(fmt.Sprintf("entry %d", i+1), raw); err != nil {
				return nil, err
			}
		}
		return problems, nil
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := add(fmt.Sprintf("line %d", i+1), line); err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// identified is the id that a row has, as text or as a number; its place if it has
// none.
func identified(raw json.RawMessage, n int) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return text
	}
	if number := string(bytes.TrimSpace(raw)); number != "" && number != "null" && number != `""` {
		return number
	}
	return fmt.Sprint(n)
}

// missing says which field a row lacks.
func missing(field string) error { return fmt.Errorf("%q is missing or empty", field) }
