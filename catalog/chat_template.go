package catalog

import (
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/merge"
)

// templateOf gives the chat template of a recipe's model, whose words would have
// the given one if the recipe said nothing of it.
func (c *Catalog) templateOf(r merge.Recipe, lent *chat.Template) (*chat.Template, error) {
	text, err := merge.ChatTemplateText(r, c.folder)
	if err != nil || text == "" {
		return lent, err
	}
	return lent.With(text)
}

// folder gives the folder of a source.
func (c *Catalog) folder(name string) (string, error) {
	s, err := c.source(name)
	if err != nil {
		return "", err
	}
	return s.dir, nil
}
