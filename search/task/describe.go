package task

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/mergeway/mergeway/fault"
)

// The limits and defaults of task.yaml.
const (
	defaultMaxTokens = 1024 // the paper's
	maxMaxTokens     = 1 << 20
	maxStops         = 16
	maxStopBytes     = 256
)

// namePattern is what a task may be called, so that it is safe in a path and a URL.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// description is task.yaml.
type description struct {
	Name        string    `yaml:"name"`
	Description string    `yaml:"description"`
	Language    string    `yaml:"language"`
	Extractor   Extractor `yaml:"extractor"`
	Metric      string    `yaml:"metric"`
	System      string    `yaml:"system"`
	Prompt      string    `yaml:"prompt"`
	MaxTokens   int       `yaml:"max_tokens"`
	Stop        []string  `yaml:"stop"`
}

// parseDescription reads task.yaml strictly: an unknown key, a key twice or a
// value that makes no sense is an error with its line.
func parseDescription(path string, data []byte) (*Task, error) {
	d := description{
		Extractor: LastNumber,
		Metric:    "accuracy",
		Prompt:    Placeholder,
		MaxTokens: defaultMaxTokens,
	}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&d); err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			return nil, fault.New(fault.Damaged, "%s:%d: %s", path, y.GetToken().Position.Line, y.GetMessage())
		}
		return nil, fault.Wrap(err, fault.Damaged, "%s", path)
	}
	wrong := func(key, format string, args ...any) error {
		return fault.New(fault.Damaged, "%s:%d: %s: %s", path, lineOf(data, key), key, fmt.Sprintf(format, args...))
	}
	folder := filepath.Base(filepath.Dir(path))
	switch {
	case !namePattern.MatchString(d.Name):
		return nil, wrong("name", "%q is not a name of letters, digits, dots, dashes and underscores", d.Name)
	case d.Name != folder:
		return nil, wrong("name", "%q has to be the name of the folder, %q", d.Name, folder)
	case !slices.Contains(Extractors(), d.Extractor):
		return nil, wrong("extractor", "%q is not one of %v", d.Extractor, Extractors())
	case d.Metric != "accuracy":
		return nil, wrong("metric", "%q is not one of [accuracy]", d.Metric)
	case !strings.Contains(d.Prompt, Placeholder):
		return nil, wrong("prompt", "it has no %s", Placeholder)
	case d.MaxTokens < 1 || d.MaxTokens > maxMaxTokens:
		return nil, wrong("max_tokens", "%d is not between 1 and %d", d.MaxTokens, maxMaxTokens)
	case len(d.Stop) > maxStops:
		return nil, wrong("stop", "%d strings: at most %d", len(d.Stop), maxStops)
	}
	for _, s := range d.Stop {
		if s == "" || len(s) > maxStopBytes {
			return nil, wrong("stop", "a stop string has 1 to %d bytes", maxStopBytes)
		}
	}
	t := &Task{
		Name: d.Name, Description: d.Description, Language: d.Language, Extractor: d.Extractor,
		System: d.System, Prompt: d.Prompt, MaxTokens: d.MaxTokens, Stop: d.Stop,
	}
	if d.Language != "" {
		var err error
		if t.gate, err = newGate(d.Language); err != nil {
			return nil, wrong("language", "%v", err)
		}
	}
	return t, nil
}

// lineOf finds the line of a key of a YAML mapping; 1 if it isn't there.
func lineOf(data []byte, key string) int {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return 1
	}
	path, err := yaml.PathString("$." + key)
	if err != nil {
		return 1
	}
	node, err := path.FilterFile(file)
	if err != nil || node == nil {
		return 1
	}
	return node.GetToken().Position.Line
}
