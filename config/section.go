package config

import (
	"slices"

	"github.com/spf13/pflag"
)

// Keys of a flag's annotations.
const (
	sectionNote = "section" // the subject it is listed under
	secretNote  = "secret"  // its value is shown to nobody
	exampleNote = "example" // lines of YAML that tell more than a default
	originNote  = "origin"  // where its value came from
)

// Section adds flags that belong to one subject.
func Section(to *pflag.FlagSet, title string, add func(f *pflag.FlagSet)) {
	f := pflag.NewFlagSet(title, pflag.ContinueOnError)
	f.SortFlags = false
	add(f)
	f.VisitAll(func(flag *pflag.Flag) { annotate(flag, sectionNote, title) })
	to.SortFlags = false
	to.AddFlagSet(f)
}

// Secret keeps the value of a flag from being shown.
func Secret(f *pflag.FlagSet, name string) { annotate(f.Lookup(name), secretNote, "") }

// Example gives a setting lines of YAML that show what it may look like, for those
// that one line can't show.
func Example(f *pflag.FlagSet, name, lines string) { annotate(f.Lookup(name), exampleNote, lines) }

func isSecret(flag *pflag.Flag) bool { return flag.Annotations[secretNote] != nil }

func annotate(flag *pflag.Flag, key, value string) {
	if flag.Annotations == nil {
		flag.Annotations = map[string][]string{}
	}
	flag.Annotations[key] = []string{value}
}

func note(flag *pflag.Flag, key string) string {
	if values := flag.Annotations[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// section is some flags of one subject.
type section struct {
	title string
	flags []*pflag.Flag
}

// sections sorts the flags by subject, in the order in which they were added;
// those without one come last, under the title that is empty.
func sections(flags *pflag.FlagSet) []section {
	var all []section
	var rest section
	flags.VisitAll(func(flag *pflag.Flag) {
		title := note(flag, sectionNote)
		at := slices.IndexFunc(all, func(s section) bool { return s.title == title })
		switch {
		case title == "":
			rest.flags = append(rest.flags, flag)
		case at < 0:
			all = append(all, section{title, []*pflag.Flag{flag}})
		default:
			all[at].flags = append(all[at].flags, flag)
		}
	})
	if len(rest.flags) > 0 {
		all = append(all, rest)
	}
	return all
}

// FileFlag is the flag that names the file: the one setting that can't be in it.
const FileFlag = "config"

// isSetting tells settings from flags that do something once.
func isSetting(flag *pflag.Flag) bool {
	return flag.Name != FileFlag && note(flag, sectionNote) != ""
}
