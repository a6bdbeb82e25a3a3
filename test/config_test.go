package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mergeway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A running server does what the file, the environment and the flags say, in that
// order.
func TestSettingsOfARunningServer(t *testing.T) {
	path := configFile(t, "max-messages: 1\nmax-stops: 1\nmax-choices: 1\nallowed-origins: [https://ui.example]\n")
	env := []string{"MERGEWAY_CONFIG=" + path, "MERGEWAY_MAX_STOPS=2", "MERGEWAY_MAX_CHOICES=2"}
	s := start(t, options{env: env, args: []string{"--max-choices", "3"}})
	with := func(key string, value any) object {
		body := chatWith(base)
		body[key] = value
		return body
	}
	turn := object{"role": "user", "content": "3+4"}
	for _, c := range []struct {
		key        string
		fits, more any
	}{
		{"messages", []object{turn}, []object{turn, turn, turn}},
		{"stop", []string{"a", "b"}, []string{"a", "b", "c"}},
		{"n", 3, 4},
	} {
		s.call("POST", "/v1/chat/completions", with(c.key, c.fits))
		require.Equal(t, c.key, s.refusal(400, "POST", "/v1/chat/completions", with(c.key, c.more)).text("param"))
	}
	shown := succeed(t, env, "config", "--max-choices", "3")
	for _, line := range []string{
		"max-messages: 1 # " + path + ":1", "max-stops: 2 # environment variable MERGEWAY_MAX_STOPS", "max-choices: 3 # flag --max-choices",
		"max-prompts: 256 # default",
	} {
		require.Contains(t, shown, "\n"+line+"\n")
	}
}

func TestSettingsThatAreWrongStopTheServerAtOnce(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"unknown", "models: zoo/models\nmax-stop: 1\n", `mergeway.yaml:2: there is no setting "max-stop"; did you mean "max-stops"?`},
		{"wrong type", "keep-alive: 5\n", `mergeway.yaml:1: keep-alive: "5" is not a duration`},
		{"out of range", "max-stops: -1\n", `mergeway.yaml:1: the limit max-stops must be above zero`},
		{"broken", "models: [zoo\n", "mergeway.yaml:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := command(t, nil, "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--config", configFile(t, c.text))
			require.Equal(t, 2, code, errs)
			require.Contains(t, errs, c.says)
			require.Empty(t, out)
			require.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
		})
	}
}
