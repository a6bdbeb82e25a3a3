package merge

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// ChatTemplateAuto stands in a recipe for the template that most of its models have.
const ChatTemplateAuto = "auto"

// The limits of a chat template in a recipe.
const (
	// MaxChatTemplate is the longest text of one, in bytes: some three times the
	// longest in use.
	MaxChatTemplate = 32 << 10
	// minChatTemplate is the shortest text that may be one; what is shorter was meant
	// for a name. It is mergekit's.
	minChatTemplate = 20
)

// ChatTemplateText gives the text of the chat template that a recipe says its model
// has, or "" if it has its parent's. The folders of its models are asked for only if
// it depends on them.
func ChatTemplateText(r Recipe, folder func(leaf string) (string, error)) (string, error) {
	if r.ChatTemplate != ChatTemplateAuto {
		if text, ok := chat.Named(r.ChatTemplate); ok {
			return text, nil
		}
		return r.ChatTemplate, nil
	}
	count := map[string]int{}
	var texts []string // those of the parent first, others by name: so ties are settled
	for _, name := range r.parentFirst() {
		if in, ok := r.Inputs[name]; ok {
			name = in.Speaker() // which has lent it its template
		}
		dir, err := folder(name)
		if err != nil {
			return "", err
		}
		text, err := chat.ReadSource(dir)
		if err != nil {
			return "", err
		}
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
			count[text]++
		}
	}
	if len(texts) == 0 {
		return "", nil
	}
	return slices.MaxFunc(texts, func(a, b string) int { return count[a] - count[b] }), nil
}

// parentFirst is Models with the parent at the beginning.
func (r Recipe) parentFirst() []string {
	parent := r.Parent()
	others := slices.DeleteFunc(r.Models(), func(name string) bool { return name == parent })
	return append([]string{parent}, others...)
}

// validateChatTemplate accepts auto, a name, and what compiles.
func (r Recipe) validateChatTemplate() error {
	const param = "chat_template"
	t := r.ChatTemplate
	if _, named := chat.Named(t); t == "" || t == ChatTemplateAuto || named {
		return nil
	}
	if len(t) > MaxChatTemplate {
		return fault.Bad(param, "a chat template of %d bytes: at most %d", len(t), MaxChatTemplate)
	}
	if len(t) < minChatTemplate || !strings.Contains(t, "{") || !utf8.ValidString(t) {
		return fault.Bad(param, "no chat template %q: it is %q, the text of a template, or one of %s", t, ChatTemplateAuto, strings.Join(chat.Names(), ", "))
	}
	if err := chat.Check(t); err != nil {
		return fault.Bad(param, "%v", err)
	}
	return nil
}
