package constrain

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// regexSource checks a regular expression and makes \d, \w and \s mean what they
// mean in Go: ASCII alone. A program that reads \d+ expects digits it can parse.
func regexSource(param, text string, l Limits) (string, error) {
	if text == "" {
		return "", fault.Bad(param, "the regular expression is empty")
	}
	if err := checkRegex(param, text, l); err != nil {
		return "", err
	}
	return asciiClasses(text), nil
}

// stopGroup is a group to which llguidance gives a meaning of its own.
var stopGroup = regexp.MustCompile(`\(\?P?<stop>`)

// checkRegex refuses what llguidance would not: what is over the limit, and what
// it would read as something else.
func checkRegex(param, text string, l Limits) error {
	switch {
	case len(text) > l.RegexBytes:
		return fault.Bad(param, "a regular expression of %d bytes: at most %d", len(text), l.RegexBytes)
	case !utf8.ValidString(text):
		return fault.Bad(param, "the regular expression is not UTF-8")
	case strings.Contains(text, "\x00"):
		return fault.Bad(param, "the regular expression holds a NUL")
	case (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1:
		return fault.Bad(param, "the regular expression ends in a backslash")
	case stopGroup.MatchString(text):
		return fault.Bad(param, "a group of a regular expression can't be named stop")
	}
	return nil
}

var asciiClass = map[byte]string{
	'd': `[0-9]`, 'D': `[^0-9]`,
	'w': `[0-9A-Za-z_]`, 'W': `[^0-9A-Za-z_]`,
	's': `[\t\n\f\r ]`, 'S': `[^\t\n\f\r ]`,
}

// asciiClasses spells \d and its kin out; classes may hold classes.
func asciiClasses(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		if class, ok := asciiClass[text[i]]; ok {
			out.WriteString(class)
		} else {
			out.WriteString(text[i-1 : i+1])
		}
	}
	return out.String()
}

// choiceSource makes a regular expression of a JSON list of strings.
func choiceSource(param, text string, l Limits) (string, error) {
	var options []string
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		return "", &fault.Error{Code: fault.Invalid, Param: param, Message: "the choices are not a list of strings", Err: err}
	}
	if len(options) == 0 || len(options) > l.Choices {
		return "", fault.Bad(param, "%d choices: 1 to %d", len(options), l.Choices)
	}
	total := 0
	for i, option := range options {
		total += len(option)
		switch {
		case option == "":
			return "", fault.Bad(param, "choice %d is empty", i+1)
		case strings.Contains(option, "\x00"):
			return "", fault.Bad(param, "choice %d holds a NUL", i+1)
		}
		options[i] = regexp.QuoteMeta(option)
	}
	if total > l.ChoiceBytes {
		return "", fault.Bad(param, "choices of %d bytes: at most %d", total, l.ChoiceBytes)
	}
	return "(?:" + strings.Join(options, "|") + ")", nil
}
