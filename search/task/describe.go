package task

import (
	"bytes"
	"errors"
	"math"
	"regexp"
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
	maxTurns         = 64
	maxExamples      = 32
	maxBeams         = 32
	maxWeight        = 1e6
	defaultSeparator = "\n\n"
)

// namePattern is what a task may be called, so that it is safe in a path and a URL.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckName says why a task can't be called so.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fault.Bad("name", "%q is not a name of at most 64 letters, digits, dots, dashes and underscores", clip(name))
	}
	return nil
}

// description is task.yaml.
type description struct {
	Name              string            `yaml:"name"`
	Description       string            `yaml:"description"`
	Language          string            `yaml:"language"`
	Gate              Gate              `yaml:"gate"`
	Weight            float64           `yaml:"weight"`
	Metric            string            `yaml:"metric"`
	Extractor         Extractor         `yaml:"extractor"`
	Pattern           string            `yaml:"pattern"`
	Normalize         *[]normalization  `yaml:"normalize"`
	Judge             *judgeDescription `yaml:"judge"`
	Format            Format            `yaml:"format"`
	System            string            `yaml:"system"`
	Messages          []Turn            `yaml:"messages"`
	Examples          []example         `yaml:"examples"`
	Prompt            string            `yaml:"prompt"`
	Separator         string            `yaml:"separator"`
	MaxTokens         int               `yaml:"max_tokens"`
	Temperature       float64           `yaml:"temperature"`
	Beams             int               `yaml:"beams"`
	LengthPenalty     float64           `yaml:"length_penalty"`
	RepetitionPenalty float64           `yaml:"repetition_penalty"`
	Stop              []string          `yaml:"stop"`
}

// example is a problem shown with its answer.
type example struct {
	Question string   `yaml:"question"`
	Context  string   `yaml:"context"`
	Choices  []string `yaml:"choices"`
	Answer   string   `yaml:"answer"`
}

// parseDescription reads task.yaml strictly: an unknown key, a key twice or a
// value that makes no sense is an error with its line.
func parseDescription(data []byte, j Judge) (*Task, error) {
	d := description{
		Metric: metricAccuracy, Gate: GateAlways, Format: Chat, Prompt: Placeholder, Weight: 1, Separator: defaultSeparator,
		MaxTokens: defaultMaxTokens, Beams: 1, LengthPenalty: 1, RepetitionPenalty: 1,
	}
	if len(data) > maxDescriptionBytes {
		return nil, fault.Bad(descriptionKey, "%s: longer than %d bytes", descriptionFile, maxDescriptionBytes)
	}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&d); err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			return nil, fault.Bad(descriptionKey, "%s:%d: %s", descriptionFile, y.GetToken().Position.Line, y.GetMessage())
		}
		return nil, &fault.Error{Code: fault.Invalid, Param: descriptionKey, Message: descriptionFile, Err: err}
	}
	t := &Task{
		Name: d.Name, Description: d.Description, Language: d.Language, Gate: d.Gate, Weight: d.Weight, Metric: d.Metric, Extractor: d.Extractor,
		Format: d.Format, System: d.System, Turns: d.Messages, Prompt: d.Prompt, Separator: d.Separator,
		Decoding: Decoding{
			MaxTokens: d.MaxTokens, Stop: d.Stop, Beams: d.Beams, LengthPenalty: d.LengthPenalty, RepetitionPenalty: d.RepetitionPenalty,
		},
	}
	for _, e := range d.Examples {
		t.Examples = append(t.Examples, Problem{Question: e.Question, Context: e.Context, Choices: e.Choices, Answer: e.Answer})
	}
	err := d.check()
	if err == nil {
		t.metric, err = buildMetric(d, j)
	}
	if m, ok := t.metric.(numbers); ok && err == nil {
		t.Extractor = m.extractor
	}
	if err == nil && d.Language != "" {
		t.gate, err = newGate(d.Language)
	}
	var wrong *fault.Error
	if errors.As(err, &wrong) && wrong.Code == fault.Invalid {
		return nil, fault.Bad(descriptionKey, "%s:%d: %s: %s", descriptionFile, lineOf(data, wrong.Param), wrong.Param, wrong.Message)
	}
	return t, err
}

// check refuses values that make no sense whatever the metric is. Errors name the
// key.
func (d description) check() error {
	if err := CheckName(d.Name); err != nil {
		return err
	}
	switch {
	case d.Format != Chat && d.Format != Text:
		return fault.Bad("format", "%q is not one of [%s %s]", d.Format, Chat, Text)
	case d.Gate != GateAlways && d.Gate != GateAnswers:
		return fault.Bad("gate", "%q is not one of [%s %s]", string(d.Gate), GateAlways, GateAnswers)
	case d.Gate == GateAnswers && d.Language == "":
		return fault.Bad("gate", "a task without a language has none")
	case d.Format == Text && len(d.Messages) > 0:
		return fault.Bad("messages", "a task of the format %s has no conversation", Text)
	case !strings.Contains(d.Prompt, Placeholder) && d.Metric != metricChoice && d.Metric != metricChoiceNorm:
		return fault.Bad("prompt", "it has no %s", Placeholder)
	case d.Prompt == "" && d.Format == Chat:
		return fault.Bad("prompt", "it is empty")
	case !(0 < d.Weight && d.Weight <= maxWeight):
		return fault.Bad("weight", "%v is not between 0 and %g", d.Weight, maxWeight)
	case d.MaxTokens < 1 || d.MaxTokens > maxMaxTokens:
		return fault.Bad("max_tokens", "%d is not between 1 and %d", d.MaxTokens, maxMaxTokens)
	case d.Temperature != 0:
		return fault.Bad("temperature", "%v is not 0: a score that is drawn by lot can't be compared", d.Temperature)
	case d.Beams < 1 || d.Beams > maxBeams:
		return fault.Bad("beams", "%d is not between 1 and %d", d.Beams, maxBeams)
	case !(math.Abs(d.LengthPenalty) <= 10):
		return fault.Bad("length_penalty", "%v is not between -10 and 10", d.LengthPenalty)
	case !(0 < d.RepetitionPenalty && d.RepetitionPenalty <= 10):
		return fault.Bad("repetition_penalty", "%v is not between 0 and 10", d.RepetitionPenalty)
	case len(d.Stop) > maxStops:
		return fault.Bad("stop", "%d strings: at most %d", len(d.Stop), maxStops)
	case len(d.Messages) > maxTurns:
		return fault.Bad("messages", "%d messages: at most %d", len(d.Messages), maxTurns)
	case len(d.Examples) > maxExamples:
		return fault.Bad("examples", "%d examples: at most %d", len(d.Examples), maxExamples)
	}
	for _, s := range d.Stop {
		if s == "" || len(s) > maxStopBytes {
			return fault.Bad("stop", "a stop string has 1 to %d bytes", maxStopBytes)
		}
	}
	for i, m := range d.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return fault.Bad("messages", "the role of message %d is %q: it is user or assistant", i+1, m.Role)
		}
	}
	for i, e := range d.Examples {
		if e.Answer == "" {
			return fault.Bad("examples", "example %d has no answer", i+1)
		}
	}
	return nil
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
	return max(1, node.GetToken().Position.Line)
}
