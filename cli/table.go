package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mergeway/mergeway/search/task"
)

// scoreTable writes scores as people read them: percents, each with its
// standard error, and why the rest was not right.
type scoreTable struct{ *tabwriter.Writer }

func newScoreTable(w io.Writer) scoreTable {
	t := scoreTable{tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	fmt.Fprintln(t, "model\tcorrect %\t± se\t95 % interval\tproblems\tnumber right %\tlanguage right %")
	return t
}

// row adds one model; reason says why there is no score, or why it is what it is.
func (t scoreTable) row(name string, s *task.Score, reason string) {
	if s == nil {
		fmt.Fprintf(t, "%s\tfailed: %s\n", name, reason)
		return
	}
	if reason != "" {
		reason = "  " + reason
	}
	fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f–%.1f\t%d\t%.1f\t%.1f%s\n", name, 100*s.Accuracy, 100*s.StdErr, 100*s.Low, 100*s.High, s.Problems, 100*s.NumberRight, 100*s.LanguageRight, reason)
}
