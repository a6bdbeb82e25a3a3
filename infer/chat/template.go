package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Limits on templates and what they may write.
const (
	maxConfigBytes   = 16 << 20  // tokenizer_config.json, which lists added tokens
	maxTemplateBytes = 128 << 10 // some ten times the longest in use
	maxRenderedBytes = 16 << 20
)

// Template is a model's chat template with its tokenizer. It is safe for
// concurrent use.
type Template struct {
	tokenizer *tokenizer.Tokenizer
	main      *variant // nil: the model has none
	toolUse   *variant // for conversations with tools; nil: main is
	image     *int32   // the token that stands for a picture; nil: the model reads none
}

// Load reads the template of a model's folder: chat_template of
// processor_config.json or chat_template.json, which models that see have; or
// chat_template.jinja, or chat_template of tokenizer_config.json; and the one for
// conversations with tools, if there is one. A model without any gives a template
// that refuses to be used, with that reason.
func Load(dir string, tok *tokenizer.Tokenizer) (*Template, error) {
	found, err := readSources(dir)
	if err != nil {
		return nil, err
	}
	return newTemplate(found, tok)
}

// ReadSource gives the text of the template that Load would compile; "" if the
// model has none.
func ReadSource(dir string) (string, error) {
	found, err := readSources(dir)
	return found.main, err
}

func readSources(dir string) (sources, error) {
	found, err := readTemplateOf(dir, "tokenizer_config.json")
	if err != nil {
		return found, err
	}
	for _, file := range []struct {
		folder, name string
		to           *string
	}{{dir, "chat_template.jinja", &found.main}, {filepath.Join(dir, "additional_chat_templates"), "tool_use.jinja", &found.toolUse}} {
		data, err := checkpoint.ReadSmall(file.folder, file.name, maxTemplateBytes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
		if err == nil {
			*file.to = string(data)
		}
	}
	for _, name := range processorFiles {
		processor, err := readTemplateOf(dir, name)
		if err != nil {
			return found, err
		}
		if processor.main != "" {
			found.main = processor.main
		}
		if processor.toolUse != "" {
			found.toolUse = processor.toolUse
		}
	}
	return found, nil
}

// processorFiles are the files of a processor that may hold its template, which
// counts before the tokenizer's; the last one counts most.
var processorFiles = []string{"chat_template.json", "processor_config.json"}

// readTemplateOf reads chat_template of a file of JSON, if there is the file.
func readTemplateOf(dir, name string) (sources, error) {
	var config struct {
		ChatTemplate json.RawMessage `json:"chat_template"`
	}
	data, err := checkpoint.ReadSmall(dir, name, maxConfigBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return sources{}, nil
	}
	if err != nil {
		return sources{}, err
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return sources{}, fault.Wrap(err, fault.Damaged, "%s does not parse", name)
	}
	return templateSources(config.ChatTemplate, name)
}

// sources are the texts of a model's templates.
type sources struct{ main, toolUse string }

// templateSources reads chat_template: a string, or a list of named ones, of
// which "default" is taken and, where there are tools, "tool_use".
func templateSources(raw json.RawMessage, file string) (sources, error) {
	var found sources
	if len(raw) == 0 || string(raw) == "null" {
		return found, nil
	}
	if json.Unmarshal(raw, &found.main) == nil {
		return found, nil
	}
	var many []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &many); err != nil {
		return found, fault.Wrap(err, fault.Damaged, "%s: chat_template is neither text nor a list", file)
	}
	named := false
	for _, t := range many {
		switch t.Name {
		case "default":
			found.main, named = t.Template, true
		case "tool_use":
			found.toolUse = t.Template
		}
	}
	if !named {
		return found, fault.New(fault.Damaged, "%s: no chat template is named default", file)
	}
	return found, nil
}

// New compiles a template. The names of the beginning and end of sequence come
// from the tokenizer.
func New(source string, tok *tokenizer.Tokenizer) (*Template, error) {
	return newTemplate(sources{main: source}, tok)
}

// With is a template of another text for the same tokenizer.
func (t *Template) With(source string) (*Template, error) { return New(source, t.tokenizer) }

func newTemplate(from sources, tok *tokenizer.Tokenizer) (*Template, error) {
	var bos, eos string
	if id, ok := tok.BOS(); ok {
		bos = tok.Name(id)
	}
	if id, ok := tok.EOS(); ok {
		eos = tok.Name(id)
	}
	t := &Template{tokenizer: tok}
	var err error
	if from.main != "" {
		if t.main, err = newVariant(from.main, bos, eos); err != nil {
			return nil, err
		}
	}
	if from.main != "" && from.toolUse != "" {
		if t.toolUse, err = newVariant(from.toolUse, bos, eos); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Source is the template's text; "" if the model has none.
func (t *Template) Source() string {
	if t.main == nil {
		return ""
	}
	return t.main.source
}

// Finished is the template for conversations as they are, without the beginning
// of a reply that the model would go on with.
func (t *Template) Finished() *Template {
	return &Template{tokenizer: t.tokenizer, main: t.main.whole(), toolUse: t.toolUse.whole(), image: t.image}
}

// ToolSource is the text of the template that conversations with tools are
// written by.
func (t *Template) ToolSource() string {
	if t.toolUse != nil {
		return t.toolUse.source
	}
	return t.Source()
}

// Render writes the conversation as text, ready for the model's reply, which may
// call one of the tools.
func (t *Template) Render(messages []Message, tools ...Tool) (string, error) {
	v, err := t.variant(messages, tools)
	if err != nil {
		return "", err
	}
	return v.render(v.fold(messages), tools, unmarked)
}

// variant checks a conversation and gives the template that can write it.
func (t *Template) variant(messages []Message, tools []Tool) (*variant, error) {
	v := t.main
	if v == nil {
		return nil, fault.Bad("messages", "this model has no chat template")
	}
	if err := checkMessages(messages); err != nil {
		return nil, err
	}
	if err := checkTools(tools); err != nil {
		return nil, err
	}
	if t.image == nil && countPictures(messages) > 0 {
		return nil, fault.Bad("messages", "this model reads no pictures")
	}
	called := callsTools(messages)
	if t.toolUse != nil && (len(tools) > 0 || called && !v.toolTurns) {
		v = t.toolUse
	}
	if len(tools) > 0 && !v.tools {
		return nil, fault.Bad("tools", "this model's chat template knows no tools")
	}
	if called && !v.toolTurns {
		return nil, fault.Bad("messages", "this model's chat template has no place for tool calls and their results")
	}
	return v, nil
}

// boundedBuffer refuses to grow beyond its limit.
type boundedBuffer struct {
	bytes.Buffer
	limit int
}

var errTooLong = errors.New("the chat template writes too much")

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

// WriteString implements io.StringWriter.
func (b *boundedBuffer) WriteString(s string) (int, error) { return b.Write([]byte(s)) }
