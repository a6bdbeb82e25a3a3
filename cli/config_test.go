package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/config"
)

// execute runs a command in an environment of its own.
func execute(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main("test", args, &o, &e)
	return code, o.String(), e.String()
}

// configFile writes a configuration file.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mergeway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// After a change of settings, write it anew:
//
//	scripts/go run . config --example > mergeway.example.yaml
func TestTheExampleFileIsCurrent(t *testing.T) {
	committed, err := os.ReadFile("../mergeway.example.yaml")
	require.NoError(t, err)
	code, out, errs := execute(t, "config", "--example")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, out, string(committed))
}

func TestTheExampleFileHasEveryDefault(t *testing.T) {
	_, out, _ := execute(t, "config", "--example")
	code, defaults, errs := execute(t, "config")
	require.Equal(t, exitOK, code, errs)
	// With the # taken away, each line is a setting with its default.
	every := regexp.MustCompile(`(?m)^#([a-z-]+: )`).ReplaceAllString(out, "$1")
	code, effective, errs := execute(t, "config", "--config", configFile(t, every))
	require.Equal(t, exitOK, code, errs)
	origin := regexp.MustCompile(`(?m) # [^\n]*$`)
	require.Equal(t, origin.ReplaceAllString(defaults, ""), origin.ReplaceAllString(effective, ""))
	require.Equal(t, 1, strings.Count(effective, "# default\n"), "all but keys, which have no line: %s", effective)

	shown := strings.Replace(out, "#"+strings.ReplaceAll(strings.TrimSpace(keysExample), "\n", "\n#"), keysExample, 1)
	code, effective, errs = execute(t, "config", "--config", configFile(t, shown))
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, effective, `"requests_per_minute":60`)
}

func TestEverySettingOfTheServerHasASubject(t *testing.T) {
	count := 0
	newServeSettings().flags().VisitAll(func(f *pflag.Flag) {
		count++
		require.NotEmpty(t, f.Usage, f.Name)
		if f.Name != config.FileFlag {
			require.NotEmpty(t, f.Annotations["section"], f.Name)
		}
	})
	require.Greater(t, count, 40)
	code, help, _ := execute(t, "serve", "--help")
	require.Equal(t, exitOK, code)
	for _, title := range []string{"Address:", "Access:", modelsSection + ":", stateSection + ":", "Limits of a request:", "Time limits:"} {
		require.Contains(t, help, "\n"+title+"\n")
	}
}

func TestSettingsComeFromWhereTheyShould(t *testing.T) {
	path := configFile(t, "max-stops: 3\nmax-messages: 4\nmax-prompts: 5\nbudget: 24 GB\nallowed-origins: [https://a.example, https://b.example]\n")
	t.Setenv("MERGEWAY_CONFIG", path)
	t.Setenv("MERGEWAY_MAX_STOPS", "6")
	t.Setenv("MERGEWAY_MAX_MESSAGES", "7")
	t.Setenv("MERGEWAY_API_KEYS", "hush,hush2")
	t.Setenv("MERGEWAY_REDIS", "redis://user:secret-word@host/0")
	code, out, errs := execute(t, "config", "--max-stops", "8")
	require.Equal(t, exitOK, code, errs)
	for _, line := range []string{
		"max-stops: 8 # flag --max-stops",
		"max-messages: 7 # environment variable MERGEWAY_MAX_MESSAGES",
		"max-prompts: 5 # " + path + ":3",
		"budget: 24GiB # " + path + ":4",
		"allowed-origins: [https://a.example, https://b.example] # " + path + ":5",
		"max-choices: 256 # default",
		"#api-keys: (hidden) # environment variable MERGEWAY_API_KEYS",
	} {
		require.Contains(t, out, "\n"+line+"\n")
	}
	require.NotContains(t, out, "hush")
	require.NotContains(t, out, "secret-word")
}

func TestMistakesInSettingsExitWithTwo(t *testing.T) {
	for _, c := range []struct{ name, file, says string }{
		{"unknown key", "max-stop: 3\n", `mergeway.yaml:1: there is no setting "max-stop"; did you mean "max-stops"?`},
		{"wrong type", "\nbudget: lots\n", `mergeway.yaml:2: budget: "lots" is not a size`},
		{"limit of zero", "\n\nmax-stops: 0\n", `mergeway.yaml:3: the limit max-stops must be above zero`},
		{"no host", "picture-hosts: [https://a.example/]\n", `mergeway.yaml:1: "https://a.example/" is no host`},
		{"no time at all", "keep-alive: 0s\n", `mergeway.yaml:1: the limit keep-alive must be above zero`},
		{"certificate without key", "tls-cert: a.pem\n", `mergeway.yaml:1: tls-cert is given without tls-key`},
		{"key without certificate", "tls-key: a.pem\n", `tls-key is given without tls-cert`},
		{"negative rate", "client-rpm: -1\n", `client-rpm is -1`},
		{"negative wait", "redis-wait: -1s\n", `redis-wait can't be negative`},
		{"short claim", "claim-ttl: 5ms\n", `claim-ttl is 5ms: at least 10ms`},
		{"negative drain", "drain-timeout: -1s\n", `drain-timeout can't be negative`},
		{"keys that are none", "keys: [{name: a}]\n", `mergeway.yaml:1: keys: key 1: hash is missing`},
		{"key with a typo", "keys: [{nam: a}]\n", `unknown field "nam"`},
	} {
		for _, command := range []string{"config", "serve"} {
			t.Run(c.name+", "+command, func(t *testing.T) {
				t.Setenv("MERGEWAY_DATA", t.TempDir())
				code, _, errs := execute(t, command, "--addr", "127.0.0.1:0", "--config", configFile(t, c.file))
				require.Equal(t, exitUsage, code, errs)
				require.Contains(t, errs, c.says)
			})
		}
	}
	code, _, errs := execute(t, "config", "--config", "no-such.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "no-such.yaml")
}

// One file is for all commands: what it says to the server alone is no mistake.
func TestOtherCommandsReadTheFileToo(t *testing.T) {
	data := t.TempDir()
	path := configFile(t, "data: "+data+"\nmax-stops: 3\n")
	code, _, errs := execute(t, "key", "list", "--config", path)
	require.Equal(t, exitOK, code, errs)
	require.FileExists(t, filepath.Join(data, "mergeway.db"))
	code, _, errs = execute(t, "key", "list", "--config", configFile(t, "max-stop: 3\n"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "max-stops")
}
