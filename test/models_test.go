package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cast of the miniature, as committed.
const base = "base"

var sources = []string{"ja-general", "en-math-a", "en-math-b"}

// average is the recipe of the plain average of the sources.
func average(name string) object {
	parts := make([]object, len(sources))
	for i, source := range sources {
		parts[i] = object{"model": source, "weight": []float64{1. / 3}}
	}
	return object{"name": name, "recipe": object{"method": "linear", "sources": parts, "dtype": "bfloat16"}}
}

// zooModels gives the folder of the miniature models.
func zooModels(t *testing.T) string {
	t.Helper()
	folder := fromRoot("zoo", "models")
	if _, err := os.Stat(filepath.Join(folder, base, "config.json")); err != nil {
		t.Skipf("the miniature models are missing: %v", err)
	}
	return folder
}

// copyModel copies a miniature model into folder under a name.
func copyModel(t *testing.T, folder, from, name string) string {
	t.Helper()
	to := filepath.Join(folder, name)
	require.NoError(t, os.CopyFS(to, os.DirFS(filepath.Join(zooModels(t), from))))
	return to
}

// setTemplate gives a model a chat template in place of its own.
func setTemplate(t *testing.T, model, template string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(model, "chat_template.jinja"), []byte(template), 0o644))
}

// editConfig changes keys of a model's config.json.
func editConfig(t *testing.T, model string, edit func(config object)) {
	t.Helper()
	editJSON(t, filepath.Join(model, "config.json"), edit)
}

// editJSON changes keys of a file.
func editJSON(t *testing.T, path string, edit func(object)) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var config object
	require.NoError(t, json.Unmarshal(data, &config))
	edit(config)
	data, err = json.MarshalIndent(config, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// weightFiles gives the safetensors files of a model.
func weightFiles(t *testing.T, model string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(model, "*.safetensors"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}
