package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// list is a flag's value of ListType.
type list []string

func (l *list) Set(text string) error { *l = strings.Split(text, ","); return nil }
func (l *list) String() string        { return strings.Join(*l, ",") }
func (l *list) Type() string          { return ListType }

// settings are some flags of all kinds.
type settings struct {
	flags   *pflag.FlagSet
	Models  string
	Stops   int
	Share   float64
	Open    bool
	Timeout time.Duration
	Warm    list
	Redis   string
	Keys    list
}

func newSettings() *settings {
	s := &settings{flags: pflag.NewFlagSet("test", pflag.ContinueOnError)}
	s.flags.String(FileFlag, "", "the file")
	Section(s.flags, "Models", func(f *pflag.FlagSet) {
		f.StringVar(&s.Models, "models", "zoo/models", "folder whose subfolders are models")
		f.Var(&s.Warm, "warm", "models to load at start")
	})
	Section(s.flags, "Limits", func(f *pflag.FlagSet) {
		f.IntVar(&s.Stops, "max-stops", 16, "stop strings of one request")
		f.Float64Var(&s.Share, "share", 0.5, "share of the traces to send")
		f.DurationVar(&s.Timeout, "timeout", 10*time.Minute, "time for one generation")
	})
	Section(s.flags, "Access", func(f *pflag.FlagSet) {
		f.BoolVar(&s.Open, "open-access", false, "answer any machine")
		f.Var(&s.Keys, "api-keys", "keys")
		Secret(f, "api-keys")
		f.StringVar(&s.Redis, "redis", "", "where state is kept")
		Example(f, "redis", "redis: redis://host:6379/0\n")
	})
	return s
}

// write makes a file and gives its path.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mergeway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// load applies a file and an environment to what a command line has set.
func (s *settings) load(t *testing.T, text string, env map[string]string) error {
	t.Helper()
	file, err := Read(writeFile(t, text), s.flags)
	if err != nil {
		return err
	}
	return Apply(s.flags, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, file)
}

func TestFlagWinsOverEnvironmentOverFileOverDefault(t *testing.T) {
	s := newSettings()
	require.NoError(t, s.flags.Parse([]string{"--max-stops", "1"}))
	err := s.load(t, "max-stops: 3\nmodels: file\nshare: 0.25\n", map[string]string{"MERGEWAY_MAX_STOPS": "2", "MERGEWAY_MODELS": "env"})
	require.NoError(t, err)
	require.Equal(t, 1, s.Stops)
	require.Equal(t, "env", s.Models)
	require.Equal(t, 0.25, s.Share)
	require.Equal(t, 10*time.Minute, s.Timeout)
	for name, origin := range map[string]string{
		"max-stops": "flag --max-stops", "models": "environment variable MERGEWAY_MODELS", "timeout": "default",
	} {
		require.Equal(t, origin, Origin(s.flags.Lookup(name)))
	}
	require.Regexp(t, `mergeway\.yaml:3$`, Origin(s.flags.Lookup("share")))
	require.ErrorContains(t, Blame(s.flags, "share", os.ErrInvalid), "mergeway.yaml:3: invalid argument")
	require.Equal(t, os.ErrInvalid, Blame(s.flags, "no-flag", os.ErrInvalid))
}

func TestFileValuesOfAllKinds(t *testing.T) {
	s := newSettings()
	err := s.load(t, `
# a comment
max-stops: 0x10   # and another
share: 1e-1
open-access: true
timeout: 90s
models: "with: colon # and hash"
warm: [a, 'b c', 1.5]
api-keys:
  - one
  - two
redis: >-
  redis://host
`, nil)
	require.NoError(t, err)
	require.Equal(t, 16, s.Stops)
	require.Equal(t, 0.1, s.Share)
	require.True(t, s.Open)
	require.Equal(t, 90*time.Second, s.Timeout)
	require.Equal(t, "with: colon # and hash", s.Models)
	require.Equal(t, list{"a", "b c", "1.5"}, s.Warm)
	require.Equal(t, list{"one", "two"}, s.Keys)
	require.Equal(t, "redis://host", s.Redis)
}

func TestFilesWithNothingInThem(t *testing.T) {
	for _, text := range []string{"", "\n", "# only\n# comments\n", "---\n", "{}\n"} {
		s := newSettings()
		require.NoError(t, s.load(t, text, nil), "%q", text)
		require.Equal(t, 16, s.Stops)
	}
	s := newSettings()
	require.NoError(t, Apply(s.flags, func(string) (string, bool) { return "", false }, nil), "nor need there be a file")
}

func TestListsOfMappingsArriveAsJSON(t *testing.T) {
	s := newSettings()
	require.NoError(t, s.load(t, "models:\n- name: a\n  scopes: [x]\n  at: 2026-01-02T03:04:05Z\n- name: b\n", nil))
	require.JSONEq(t, `[{"name": "a", "scopes": ["x"], "at": "2026-01-02T03:04:05Z"}, {"name": "b"}]`, s.Models)
}

func TestMistakesInFilesAreNamedByLine(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"unknown", "models: x\nmax-stop: 3\n", `:2: there is no setting "max-stop"; did you mean "max-stops"?`},
		{"underscores", "max_stops: 3\n", `:1: there is no setting "max_stops"; did you mean "max-stops"?`},
		{"capitals", "Max-Stops: 3\n", `did you mean "max-stops"?`},
		{"nothing like it", "temperature: 3\n", `there is no setting "temperature"`},
		{"the file itself", "config: other.yaml\n", `there is no setting "config"`},
		{"twice", "share: 1\nmodels: x\nshare: 0\n", `:3: mapping key "share" already defined at [1:1]`},
		{"no number", "\n\nmax-stops: lots\n", `:3: max-stops: "lots" is not a whole number`},
		{"too large a number", "max-stops: 99999999999999999999\n", `is too large`},
		{"no fraction", "share: half\n", `"half" is not a number`},
		{"no truth", "open-access: yes please\n", `"yes please" is not true or false`},
		{"no duration", "timeout: 30\n", `"30" is not a duration such as 30s`},
		{"no value", "models:\nshare: 1\n", `:1: models: it has no value`},
		{"a comma in a list", "warm: ['a,b']\n", `"a,b" has a comma`},
		{"a list", "- models\n", `is no list of settings`},
		{"text", "hello\n", `is no list of settings`},
		{"two documents", "share: 1\n---\nshare: 0\n", `2 documents`},
		{"broken", "models: [a\nshare: 1\n", `mergeway.yaml:`},
		{"broken quotes", "models: \"a\n", `mergeway.yaml:`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newSettings().load(t, c.text, nil)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	require.NotContains(t, newSettings().load(t, "temperature: 3\n", nil).Error(), "did you mean")
	_, err := Read(filepath.Join(t.TempDir(), "none.yaml"), newSettings().flags)
	require.ErrorContains(t, err, "none.yaml")
	_, err = Read(writeFile(t, strings.Repeat("#", maxFile+1)), newSettings().flags)
	require.ErrorContains(t, err, "over 1048576 bytes")
}

func TestMistakesInTheEnvironmentNameTheVariable(t *testing.T) {
	err := newSettings().load(t, "", map[string]string{"MERGEWAY_MAX_STOPS": "lots"})
	require.EqualError(t, err, `environment variable MERGEWAY_MAX_STOPS: max-stops: "lots" is not a whole number`)
}

func TestTheExampleSaysTheDefaults(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteExample(&out, newSettings().flags))
	text := out.String()
	for _, line := range []string{
		"# stop strings of one request\n#max-stops: 16\n", "#timeout: 10m\n", "#warm: []\n", "#models: zoo/models\n",
		"#redis: redis://host:6379/0\n", "# --- Limits ---",
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, "config:")
	require.NoError(t, newSettings().load(t, text, nil), "it can be used as it is")
}

func TestWhatIsInEffectCanBeUsedAsAFile(t *testing.T) {
	s := newSettings()
	require.NoError(t, s.load(t, `
max-stops: 5
models: "odd: [name]"
warm: [ok, "*", "true", "1.5", "a: b", "a]"]
timeout: 1h30m
api-keys: [hush]
`, map[string]string{"MERGEWAY_REDIS": "redis://user:secret-word@host/0"}))
	var out bytes.Buffer
	require.NoError(t, WriteEffective(&out, s.flags))
	text := out.String()
	require.Regexp(t, `(?m)^max-stops: 5 # .*mergeway\.yaml:2$`, text)
	require.Regexp(t, `(?m)^share: 0\.5 # default$`, text)
	require.Contains(t, text, "#api-keys: (hidden) # ")
	require.Contains(t, text, "the password is hidden")
	require.NotContains(t, text, "hush")
	require.NotContains(t, text, "secret-word")

	again := newSettings()
	require.NoError(t, again.load(t, text, nil))
	require.Equal(t, s.Warm, again.Warm)
	require.Equal(t, s.Models, again.Models)
	require.Equal(t, s.Timeout, again.Timeout)
	require.Empty(t, again.Keys)
}

func TestHelpIsSortedBySubject(t *testing.T) {
	var out bytes.Buffer
	WriteHelp(&out, newSettings().flags)
	text := out.String()
	last := -1
	for _, part := range []string{"\nModels:\n", "--models", "--warm", "\nLimits:\n", "--max-stops", "\nAccess:\n", "--redis", "\nFlags:\n", "--config"} {
		at := strings.Index(text, part)
		require.Greater(t, at, last, part)
		last = at
	}
	for _, line := range strings.Split(text, "\n") {
		require.LessOrEqual(t, len(line), textWidth)
	}
}

func TestLongCommentsAreWrapped(t *testing.T) {
	text := comment(strings.Repeat("word ", 100))
	for _, line := range strings.Split(text, "\n") {
		require.True(t, strings.HasPrefix(line, "# word"))
		require.LessOrEqual(t, len(line), textWidth)
	}
	require.Equal(t, 100, strings.Count(text, "word"))
}
