package merge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

const literalTemplate = "{% for m in messages %}\n<{{ m['role'] }}>: \"{{ m.content }}\" é\n{% endfor %}\n"

// templated is a recipe of x and y with a chat template.
func templated(text string) Recipe {
	r := worded(nil)
	r.ChatTemplate = text
	return r
}

func TestAChatTemplateComesBackFromEveryForm(t *testing.T) {
	plain, err := templated("").Canonical()
	require.NoError(t, err)
	require.NotContains(t, string(plain), "chat_template", "recipes without one are what they were")
	for _, text := range append(chat.Names(), ChatTemplateAuto, literalTemplate) {
		r := templated(text)
		body, err := r.Canonical()
		require.NoError(t, err)
		require.NotEqual(t, string(plain), string(body))
		again, err := ParseRecipe(body)
		require.NoError(t, err)
		require.Equal(t, text, again.ChatTemplate)
		written, err := r.YAML("", planned)
		require.NoError(t, err)
		d, err := ParseYAML(written)
		require.NoError(t, err, string(written))
		fromYAML, err := d.Recipe.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(body), string(fromYAML), string(written))
	}
}

func TestAChatTemplateInYAMLMayBeABlock(t *testing.T) {
	d, err := ParseYAML([]byte("merge_method: linear\nmodels:\n  - model: a\n    parameters: {weight: 1}\nchat_template: |\n  {%- for m in messages %}\n  {{ m.content }}\n  {%- endfor %}\n"))
	require.NoError(t, err)
	require.Equal(t, "{%- for m in messages %}\n{{ m.content }}\n{%- endfor %}\n", d.Recipe.ChatTemplate)
}

func TestAChatTemplateGoesWithSlices(t *testing.T) {
	r, err := ParseRecipe([]byte(`{"method": "passthrough", "chat_template": "chatml",
		"slices": [{"sources": [{"model": "a", "layer_range": [0, 2]}]}, {"sources": [{"model": "b", "layer_range": [1, 3]}]}]}`))
	require.NoError(t, err)
	body, err := r.Canonical()
	require.NoError(t, err)
	require.Contains(t, string(body), `"chat_template":"chatml"`)
}

func TestAChatTemplateIsRefused(t *testing.T) {
	long := "{{ x }}" + strings.Repeat("a", MaxChatTemplate-len("{{ x }}"))
	require.NoError(t, templated(long).Validate())
	for name, c := range map[string]struct {
		recipe      Recipe
		param, says string
	}{
		"too long":      {templated(long + "a"), "chat_template", "at most 32768"},
		"unknown":       {templated("llama4"), "chat_template", `"llama4"`},
		"no template":   {templated("this is not a template at all"), "chat_template", "one of alpaca, chatml, exaone, llama3, mistral"},
		"broken":        {templated("{% for m in messages %}{{ m.content }}"), "chat_template", "does not compile"},
		"of an input":   {Recipe{Method: Linear, Sources: []Source{{Model: "in", Weight: Numbers(1)}}, Inputs: map[string]Recipe{"in": templated("chatml")}}, "inputs.in.chat_template", "give it to the recipe that uses it"},
		"of a dataflow": {Recipe{Method: Dataflow, Base: "a", Path: []Hop{{Model: "a"}}, ChatTemplate: "chatml"}, "chat_template", "takes no chat_template"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.recipe.Validate()
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.param, f.Param)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAutoIsTheTemplateOfMostModels(t *testing.T) {
	for name, c := range map[string]struct {
		base, x, y string
		want       string
	}{
		"most":              {"one", " two\n", "two", "two"},
		"a tie":             {"one", "two", "", "one"},
		"none of the base":  {"", "two", "three", "two"},
		"nobody has any":    {"", "", "", ""},
		"all have the same": {"one", "one", "one", "one"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for model, text := range map[string]string{"b": c.base, "x": c.x, "y": c.y} {
				require.NoError(t, os.Mkdir(filepath.Join(dir, model), 0o755))
				if text != "" {
					require.NoError(t, os.WriteFile(filepath.Join(dir, model, templateFile), []byte(text), 0o644))
				}
			}
			got, err := ChatTemplateText(templated(ChatTemplateAuto), func(leaf string) (string, error) { return filepath.Join(dir, leaf), nil })
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, text := range []string{"", literalTemplate} {
		got, err := ChatTemplateText(templated(text), nil)
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
}

func TestAnExportHasTheChatTemplateWhereTheLenderHasIts(t *testing.T) {
	const config = `{"bos_token":"<s>"}`
	withKey := `{"bos_token":"<s>","chat_template":[{"name":"default","template":"old"}]}`
	for name, c := range map[string]struct {
		files       map[string]string
		apart       bool // in chat_template.jinja
		keepsConfig bool
	}{
		"a file":           {map[string]string{templateFile: "old", tokenizerConfigFile: config}, true, true},
		"a key":            {map[string]string{tokenizerConfigFile: withKey}, false, false},
		"both":             {map[string]string{templateFile: "old", tokenizerConfigFile: withKey}, true, false},
		"none":             {map[string]string{tokenizerConfigFile: config}, false, false},
		"no configuration": {map[string]string{}, true, false},
		"more for tools":   {map[string]string{templateFile: "old", templatesFolder + "/tool_use.jinja": "old"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
			}
			files, err := lentFiles(nil, ExportOptions{Parent: dir, ChatTemplate: literalTemplate})
			require.NoError(t, err)
			_, apart := files[templateFile]
			require.Equal(t, c.apart, apart)
			if c.keepsConfig {
				require.Equal(t, config, string(files[tokenizerConfigFile]))
			}
			out := t.TempDir()
			for file, data := range files {
				require.NotContains(t, string(data), "old", file)
				require.NoError(t, os.WriteFile(filepath.Join(out, file), data, 0o644))
			}
			got, err := chat.ReadSource(out)
			require.NoError(t, err)
			require.Equal(t, literalTemplate, got)
		})
	}
}
