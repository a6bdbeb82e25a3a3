package zoo

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Names lists the cast in the order in which it is trained.
func Names() []string {
	names := make([]string, len(cast))
	for i, m := range cast {
		names[i] = m.Name
	}
	return names
}

// CardScore is one line of a card's table: how the model did on the test
// problems of a task. Shares are between 0 and 1.
type CardScore struct {
	Task          string
	Problems      int
	Accuracy      float64
	StdErr        float64
	NumberRight   float64
	LanguageRight float64
}

// WriteCard writes the README.md of a member of the cast: what it is, what it
// was trained on, and how it scores.
func WriteCard(modelsDir, name string, scores []CardScore) error {
	for _, m := range cast {
		if m.Name != name {
			continue
		}
		if err := checkpoint.WriteBytes(filepath.Join(modelsDir, name, "README.md"), []byte(m.card(scores))); err != nil {
			return fault.Wrap(err, fault.Internal, "write the card of %s", name)
		}
		return nil
	}
	return fault.New(fault.NotFound, "nobody in the cast is called %q", name)
}

// card renders a member's card.
func (m member) card(scores []CardScore) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\nlanguage: [ja, en]\ntags: [mergeway, miniature]\n")
	if m.From != "" {
		fmt.Fprintf(&b, "base_model: %s\n", m.From)
	}
	fmt.Fprintf(&b, "---\n\n# %s: %s\n\n%s\n\n", m.Name, m.Title, m.About)
	fmt.Fprintf(&b, "## Training\n\nWritten by `mergeway zoo train`: seed %d, %d steps of %d rows × %d tokens, AdamW, peak rate %g",
		m.seed, m.schedule.Steps, batchRows, batchLength, m.schedule.Rate)
	if m.From == "" {
		b.WriteString(", from scratch.")
	} else {
		fmt.Fprintf(&b, ", from the weights of `%s`.", m.From)
	}
	b.WriteString(" All text is generated, none of it holds a wrong statement, and none of it a problem of any task.\n\n")
	b.WriteString("| share | kind | question | reply | numbers |\n|---:|---|---|---|---|\n")
	var total float64
	for _, s := range m.diet {
		total += s.Share
	}
	for _, s := range m.diet {
		fmt.Fprintf(&b, "| %.0f %% | %s | %s | %s | %s |\n", 100*s.Share/total, s.Kind, s.Ask, s.Reply, s.numbers())
	}
	b.WriteString("\n## Scores\n\nOn the test problems of each task. Correct means that the number and the language are right.\n\n")
	b.WriteString("| task | problems | correct | number right | language right |\n|---|---:|---:|---:|---:|\n")
	for _, s := range scores {
		fmt.Fprintf(&b, "| %s | %d | %.1f ± %.1f %% | %.1f %% | %.1f %% |\n",
			s.Task, s.Problems, 100*s.Accuracy, 100*s.StdErr, 100*s.NumberRight, 100*s.LanguageRight)
	}
	return b.String()
}

// numbers tells which calculations a serving has.
func (s Serving) numbers() string {
	if s.Level == "" {
		return ""
	}
	if len(s.Ops) == 0 {
		return string(s.Level)
	}
	ops := make([]string, len(s.Ops))
	for i, op := range s.Ops {
		ops[i] = string(op)
	}
	return string(s.Level) + ", " + strings.Join(ops, " ")
}
