package catalog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/merge"
)

func TestARecipeMayHaveAChatTemplateOfItsOwn(t *testing.T) {
	const literal = "{% for m in messages %}w3 {{ m['content'] }} w4{% endfor %}"
	const common = "{% for m in messages %}{{ m['content'] }} extra {% endfor %}"
	w := newWorld(t, wordy, func(w *world) {
		for _, name := range []string{"a", "b"} {
			writeFile(t, w.path(name, "chat_template.jinja"), []byte(common+"\n"))
		}
	})
	chatml, _ := chat.Named("chatml")
	before := w.keep("", blend(0.5, 0.5))
	for name, c := range map[string]struct {
		template, want string
		recipe         merge.Recipe
	}{
		"literal":            {literal, literal, blend(0.5, 0.5)},
		"named":              {"chatml", strings.TrimSpace(chatml), blend(0.5, 0.5)},
		"auto":               {merge.ChatTemplateAuto, common, blend(0.5, 0.5)},
		"with-a-tokenizer":   {literal, literal, byToken("union")},
		"auto-of-vocabulary": {merge.ChatTemplateAuto, common, byToken("union")},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.recipe
			r.ChatTemplate = c.template
			id := w.keep("", r)
			require.NotEqual(t, before, id)
			words, err := w.Words(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, catalog.Unloaded, words.Entry.State)
			require.Equal(t, c.want, strings.TrimSpace(words.Template.Source()))
			require.NoError(t, w.Export(t.Context(), id, catalog.ExportOptions{Dir: w.path(name)})) // streamed

			lease := w.acquire(id)
			defer lease.Release()
			require.Equal(t, words.Template.Source(), lease.Model.Template.Source())
			text, err := lease.Model.Template.Render([]chat.Message{{Role: "user", Content: "w5"}})
			require.NoError(t, err)
			require.Contains(t, text, "w5")
			exported := w.acquire(name)
			defer exported.Release()
			require.Equal(t, words.Template.Source(), exported.Model.Template.Source())
		})
	}
	candidate, err := w.Merge(t.Context(), func() merge.Recipe { r := blend(0.5, 0.5); r.ChatTemplate = literal; return r }())
	require.NoError(t, err)
	defer candidate.Release()
	require.Equal(t, literal, candidate.Model.Template.Source())
}
