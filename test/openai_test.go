package test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenAIPythonClient(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{})
	recipe := s.call("POST", "/v1/recipes", average("average"))
	s.call("PUT", "/v1/aliases/production", object{"target": recipe.text("id")})

	// A source, a recipe by its id and by its name, and an alias.
	client := python(fromRoot("test", "python", "openai_client.py"), s.url+"/v1", "ja-general", recipe.text("id"), "average", "production")
	out, err := client.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// What is said about tokens, and all of sampling.
func TestOpenAIPythonClientOnTokens(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{})
	out, err := python(fromRoot("test", "python", "openai_generation.py"), s.url+"/v1", "ja-general").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// Embeddings of a source, and of a merge.
func TestOpenAIPythonClientOnEmbeddings(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{})
	recipe := s.call("POST", "/v1/recipes", average("average"))
	out, err := python(fromRoot("test", "python", "openai_embeddings.py"), s.url+"/v1", "ja-general", recipe.text("id")).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// openaiPython gives a way to run Python with the openai package, or skips the
// test where there is none.
func openaiPython(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	return pythonWith(t, "openai", "MERGEWAY_REQUIRE_CLIENTS", "import openai")
}

// pythonWith gives a way to run Python with a package that probe imports. Where
// it is missing the test is skipped or, where required is set, fails.
func pythonWith(t *testing.T, name, required, probe string) func(args ...string) *exec.Cmd {
	t.Helper()
	python := func(args ...string) *exec.Cmd {
		cmd := exec.Command("python3", args...)
		cmd.Env = os.Environ()
		if folder := os.Getenv("MERGEWAY_TEST_PYTHONPATH"); folder != "" {
			cmd.Env = append(cmd.Env, "PYTHONPATH="+folder)
		}
		return cmd
	}
	if out, err := python("-c", probe).CombinedOutput(); err != nil {
		if os.Getenv(required) != "" {
			t.Fatalf("the %s package for Python is missing: %v\n%s", name, err, out)
		}
		t.Skipf("the %s package for Python is not installed", name)
	}
	return python
}
