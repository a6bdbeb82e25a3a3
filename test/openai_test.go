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

// openaiPython gives a way to run Python with the openai package, or skips the
// test where there is none.
func openaiPython(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	python := func(args ...string) *exec.Cmd {
		cmd := exec.Command("python3", args...)
		cmd.Env = os.Environ()
		if folder := os.Getenv("MERGEWAY_TEST_PYTHONPATH"); folder != "" {
			cmd.Env = append(cmd.Env, "PYTHONPATH="+folder)
		}
		return cmd
	}
	if out, err := python("-c", "import openai").CombinedOutput(); err != nil {
		if os.Getenv("MERGEWAY_REQUIRE_OPENAI") != "" {
			t.Fatalf("the openai package for Python is missing: %v\n%s", err, out)
		}
		t.Skip("the openai package for Python is not installed")
	}
	return python
}
