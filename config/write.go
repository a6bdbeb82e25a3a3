package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// textWidth is where comments are wrapped.
const textWidth = 98

// WriteExample writes a file with every setting and its default, all of them
// commented out.
func WriteExample(w io.Writer, flags *pflag.FlagSet) error {
	return write(w, flags, func(flag *pflag.Flag) string {
		if lines := note(flag, exampleNote); lines != "" {
			return commented(lines)
		}
		return commented(line(flag, flag.DefValue))
	})
}

// WriteEffective writes a file with every setting as it is, and where that came
// from. Secrets are left out: their lines are comments.
func WriteEffective(w io.Writer, flags *pflag.FlagSet) error {
	return write(w, flags, func(flag *pflag.Flag) string {
		value, origin := flag.Value.String(), Origin(flag)
		if isSecret(flag) && value != flag.DefValue {
			return fmt.Sprintf("#%s: (hidden) # %s", flag.Name, origin)
		}
		if shown, hidden := withoutPassword(value); hidden {
			return fmt.Sprintf("#%s # %s; the password is hidden", line(flag, shown), origin)
		}
		return line(flag, value) + " # " + origin
	})
}

// write writes each section with its settings, and what show says of each.
func write(w io.Writer, flags *pflag.FlagSet, show func(*pflag.Flag) string) error {
	var out strings.Builder
	for _, s := range sections(flags) {
		if s.title == "" {
			continue // they are no settings
		}
		fmt.Fprintf(&out, "\n# --- %s %s\n", s.title, strings.Repeat("-", max(0, textWidth-len(s.title)-7)))
		for _, flag := range s.flags {
			fmt.Fprintf(&out, "\n%s\n%s\n", comment(flag.Usage), show(flag))
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// line is one setting as YAML.
func line(flag *pflag.Flag, value string) string {
	return flag.Name + ": " + asYAML(flag.Value.Type(), value)
}

// asYAML is a flag's value as a file has it.
func asYAML(kind, value string) string {
	switch kind {
	case "int", "bool", "float64":
		return value
	case "duration":
		return briefly(value)
	case ListType:
		if value == "" {
			return "[]"
		}
		parts := strings.Split(value, ",")
		for i, part := range parts {
			parts[i] = quoted(part)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case JSONType:
		if value == "" {
			return "[]"
		}
		return value // JSON is YAML
	}
	return quoted(value)
}

// The types of flags whose values are more than one word.
const (
	ListType = "list" // parts separated by commas
	JSONType = "json"
)

// quoted is a text as YAML, without quotes where it needs none anywhere.
func quoted(text string) string {
	var read any
	harmless := !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:+@", r)
	})
	if harmless && yaml.Unmarshal([]byte("["+text+"]"), &read) == nil && reflect.DeepEqual(read, []any{text}) {
		return text
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out) // JSON is YAML
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return strconv.Quote(text) // no text is refused
	}
	return strings.TrimSpace(out.String())
}

// briefly is 10m for Go's 10m0s.
func briefly(duration string) string {
	if text, ok := strings.CutSuffix(duration, "m0s"); ok {
		duration = text + "m"
	}
	if text, ok := strings.CutSuffix(duration, "h0m"); ok {
		duration = text + "h"
	}
	return duration
}

// withoutPassword hides the password of a URL that has one.
func withoutPassword(value string) (string, bool) {
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return value, false
	}
	if _, has := u.User.Password(); !has {
		return value, false
	}
	return u.Redacted(), true
}

// comment is text as lines of comment.
func comment(text string) string {
	var out strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		switch {
		case width == 0:
			out.WriteString("# ")
			width = 2
		case width+1+len(word) > textWidth:
			out.WriteString("\n# ")
			width = 2
		default:
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += len(word)
	}
	return out.String()
}

// commented turns lines into comments.
func commented(lines string) string {
	return "#" + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n#")
}
