package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What people have in their programs already works with nothing but the address
// and a key set. One server meets all of it.
func TestClients(t *testing.T) {
	const key, model, caller = "secret", "ja-general", "caller"
	models := t.TempDir()
	copyModel(t, models, base, base)
	copyModel(t, models, model, model)
	setTemplate(t, copyModel(t, models, model, caller), markedCalls)
	s := start(t, options{models: models, args: []string{"--api-keys", key}})
	t.Run("openai-go", func(t *testing.T) { checkOpenAIGo(t, s.url, key, model, caller) })
	t.Run("anthropic", func(t *testing.T) { runClient(t, "anthropic", "anthropic_client.py", s.url, key, model, caller) })
	t.Run("langchain", func(t *testing.T) {
		runClient(t, "langchain_openai", "langchain_client.py", s.url+"/v1", key, model, caller)
	})
}

// runClient runs a script of test/python that needs a package.
func runClient(t *testing.T, name, script string, args ...string) {
	t.Helper()
	python := pythonWith(t, name, "MERGEWAY_REQUIRE_CLIENTS", "import "+name)
	out, err := python(append([]string{fromRoot("test", "python", script)}, args...)...).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}
