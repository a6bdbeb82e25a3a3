package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// WriteHelp lists flags by subject.
func WriteHelp(w io.Writer, flags *pflag.FlagSet) {
	for _, s := range sections(flags) {
		title := s.title
		if title == "" {
			title = "Flags"
		}
		f := pflag.NewFlagSet(title, pflag.ContinueOnError)
		f.SortFlags = false
		for _, flag := range s.flags {
			f.AddFlag(flag)
		}
		fmt.Fprintf(w, "\n%s:\n%s\n", title, strings.TrimRight(f.FlagUsagesWrapped(textWidth), "\n"))
	}
}
