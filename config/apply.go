package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// envPrefix starts the environment variable of every flag.
const envPrefix = "MERGEWAY_"

// EnvName gives the environment variable that stands in for a flag.
func EnvName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Apply sets every flag that the command line left alone: from its environment
// variable, else from the file, if there is one. lookup is os.LookupEnv.
func Apply(flags *pflag.FlagSet, lookup func(string) (string, bool), file *File) error {
	var failed error
	flags.VisitAll(func(flag *pflag.Flag) {
		if failed != nil {
			return
		}
		if flag.Changed {
			annotate(flag, originNote, "flag --"+flag.Name)
			return
		}
		if value, ok := lookup(EnvName(flag.Name)); ok {
			failed = set(flag, value, "environment variable "+EnvName(flag.Name))
		} else if e, ok := file.entry(flag.Name); ok {
			failed = set(flag, e.text, file.at(e.line))
		}
	})
	return failed
}

// set gives a flag a value from somewhere.
func set(flag *pflag.Flag, value, origin string) error {
	if err := flag.Value.Set(value); err != nil {
		return fmt.Errorf("%s: %s: %w", origin, flag.Name, explain(flag, value, err))
	}
	flag.Changed = true
	annotate(flag, originNote, origin)
	return nil
}

// explain says what a setting must be where the parser of its type only says that
// it is something else.
func explain(flag *pflag.Flag, value string, err error) error {
	if isSecret(flag) {
		return errors.New("the value can't be read")
	}
	wanted := map[string]string{
		"int": "a whole number", "float64": "a number", "bool": "true or false", "duration": "a duration such as 30s or 5m",
	}[flag.Value.Type()]
	if wanted == "" {
		return err
	}
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q is too large", value)
	}
	return fmt.Errorf("%q is not %s", value, wanted)
}

// Origin says where a flag's value came from.
func Origin(flag *pflag.Flag) string {
	if origin := note(flag, originNote); origin != "" {
		return origin
	}
	return "default"
}

// Blame puts where a setting came from in front of an error about it.
func Blame(flags *pflag.FlagSet, name string, err error) error {
	if flag := flags.Lookup(name); flag != nil {
		return fmt.Errorf("%s: %w", Origin(flag), err)
	}
	return err
}
