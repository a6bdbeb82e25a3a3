package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user" or "assistant"; "developer" means system
	Content string
}

// Limits on templates and what they may write.
const (
	maxConfigBytes   = 16 << 20  // tokenizer_config.json, which lists added tokens
	maxTemplateBytes = 128 << 10 // some ten times the longest in use
	maxRenderedBytes = 16 << 20
)

// Template is a model's chat template with its tokenizer. It is safe for
// concurrent use.
type Template struct {
	source    string
	tokenizer *tokenizer.Tokenizer
	bos, eos  string
	system    bool // the template writes system messages by itself
	finished  bool // nobody is asked to go on with a conversation

	compiled *exec.Template
}

// Load reads the template of a model's folder: chat_template.jinja, or
// chat_template of tokenizer_config.json. A model without one gives a template
// that refuses to be used, with that reason.
func Load(dir string, tok *tokenizer.Tokenizer) (*Template, error) {
	var config struct {
		ChatTemplate json.RawMessage `json:"chat_template"`
	}
	data, err := checkpoint.ReadSmall(dir, "tokenizer_config.json", maxConfigBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(data, &config); err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "tokenizer_config.json does not parse")
		}
	}
	source, err := templateSource(config.ChatTemplate)
	if err != nil {
		return nil, err
	}
	data, err = checkpoint.ReadSmall(dir, "chat_template.jinja", maxTemplateBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		source = string(data)
	}
	return New(source, tok)
}

// templateSource reads chat_template: a string, or a list of named ones, of
// which "default" is taken.
func templateSource(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var many []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &many); err != nil {
		return "", fault.Wrap(err, fault.Damaged, "tokenizer_config.json: chat_template is neither text nor a list")
	}
	for _, t := range many {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", fault.New(fault.Damaged, "tokenizer_config.json: no chat template is named default")
}

// New compiles a template. The names of the beginning and end of sequence come
// from the tokenizer.
func New(source string, tok *tokenizer.Tokenizer) (*Template, error) {
	t := &Template{source: source, tokenizer: tok}
	if id, ok := tok.BOS(); ok {
		t.bos = tok.Name(id)
	}
	if id, ok := tok.EOS(); ok {
		t.eos = tok.Name(id)
	}
	if source == "" {
		return t, nil
	}
	if len(source) > maxTemplateBytes {
		return nil, fault.New(fault.Damaged, "the chat template has %d bytes, more than %d", len(source), maxTemplateBytes)
	}
	var err error
	if t.compiled, err = compile(source); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "the chat template does not compile")
	}
	t.system = t.writesSystem()
	return t, nil
}

// Source is the template's text; "" if the model has none.
func (t *Template) Source() string { return t.source }

// Finished is the template for conversations as they are, without the beginning
// of a reply that the model would go on with.
func (t *Template) Finished() *Template {
	finished := *t
	finished.finished = true
	return &finished
}

// writesSystem finds out whether a system message reaches the output.
func (t *Template) writesSystem() bool {
	const probe = "mergeway-system-probe"
	text, err := t.render([]Message{{"system", probe}, {"user", "x"}})
	return err == nil && strings.Contains(text, probe)
}

// fold prepares messages for the template: developer is system, and where the
// template has no place for a system message it becomes the beginning of the
// first user turn, as users of Mistral's models expect.
func (t *Template) fold(messages []Message) []Message {
	var folded []Message
	var system []string
	for _, m := range messages {
		if m.Role == "developer" {
			m.Role = "system"
		}
		if m.Role == "system" && !t.system {
			system = append(system, m.Content)
			continue
		}
		if m.Role == "user" && len(system) > 0 {
			m.Content = strings.Join(append(system, m.Content), "\n\n")
			system = nil
		}
		folded = append(folded, m)
	}
	if len(system) > 0 { // no user turn after it: let it be one
		folded = append(folded, Message{"user", strings.Join(system, "\n\n")})
	}
	return folded
}

// Render writes the conversation as text, ready for the model's reply.
func (t *Template) Render(messages []Message) (string, error) {
	if err := t.check(messages); err != nil {
		return "", err
	}
	return t.render(t.fold(messages))
}

func (t *Template) check(messages []Message) error {
	if t.compiled == nil {
		return fault.Bad("messages", "this model has no chat template")
	}
	if len(messages) == 0 {
		return fault.Bad("messages", "messages is empty")
	}
	for i, m := range messages {
		switch m.Role {
		case "system", "developer", "user", "assistant":
		default:
			return fault.Bad("messages", "messages[%d].role is %q; it can be system, developer, user or assistant", i, m.Role)
		}
	}
	return nil
}

func (t *Template) render(messages []Message) (string, error) {
	turns := make(list, len(messages))
	for i, m := range messages {
		turns[i] = map[string]any{"role": m.Role, "content": m.Content}
	}
	out := &boundedBuffer{limit: maxRenderedBytes}
	err := execute(t.compiled, out, map[string]any{
		"messages": turns, "bos_token": t.bos, "eos_token": t.eos, "add_generation_prompt": !t.finished,
	})
	if err != nil {
		return "", err
	}
	return out.String(), nil
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
