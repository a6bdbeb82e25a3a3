package zoo

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Names lists the members of some companies, or of all, in the order in which they
// are trained.
func Names(of ...string) []string {
	var names []string
	for _, c := range companies() {
		for _, m := range c.members {
			if len(of) == 0 || slices.Contains(of, c.Name) {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

// TasksOf lists the tasks that a member's card has scores on. Members that see
// nothing can't be asked about pictures.
func TasksOf(name string) []string {
	_, m, err := find(name)
	switch {
	case err != nil:
		return nil
	case m.tiles > 0:
		return PictureTasks()
	case slices.ContainsFunc(pictureCast, func(p member) bool { return p.Name == name }):
		return nil
	default:
		return Tasks()
	}
}

// find gives a member and its company.
func find(name string) (company, member, error) {
	for _, c := range companies() {
		for _, m := range c.members {
			if m.Name == name {
				return c, m, nil
			}
		}
	}
	return company{}, member{}, fault.New(fault.NotFound, "nobody in the cast is called %q", name)
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
	c, m, err := find(name)
	if err != nil {
		return err
	}
	if err := checkpoint.WriteBytes(filepath.Join(modelsDir, name, "README.md"), []byte(m.card(c, scores))); err != nil {
		return fault.Wrap(err, fault.Internal, "write the card of %s", name)
	}
	return nil
}

// card renders a member's card.
func (m member) card(c company, scores []CardScore) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\nlanguage: [ja, en]\ntags: [mergeway, miniature]\n")
	if m.From != "" {
		fmt.Fprintf(&b, "base_model: %s\n", m.From)
	}
	fmt.Fprintf(&b, "---\n\n# %s: %s\n\n%s\n\n", m.Name, m.Title, m.About)
	fmt.Fprintf(&b, "## Training\n\nWritten by `mergeway zoo train`: seed %d, %d steps of %d rows × %d tokens, AdamW, peak rate %g",
		m.seed, m.schedule.Steps, c.rows, c.rowOf(m), m.schedule.Rate)
	if m.From == "" {
		b.WriteString(", from scratch.")
	} else {
		fmt.Fprintf(&b, ", from the weights of `%s`.", m.From)
	}
	if c.Name == Pictures {
		m.writeScenes(&b, scores)
		return b.String()
	}
	b.WriteString(" All text is generated, none of it holds a wrong statement, and none of it a problem of any task.\n\n")
	b.WriteString("| share | kind | question | reply | numbers |\n|---:|---|---|---|---|\n")
	total := m.diet.total()
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

// writeScenes writes what a member of the company of pictures was taught, and how it
// scores.
func (m member) writeScenes(b *strings.Builder, scores []CardScore) {
	b.WriteString(" All texts and pictures are generated, none of them holds a wrong statement, and none of them is about a scene of any task.\n\n")
	b.WriteString("| share | kind | caption | question | reply |\n|---:|---|---|---|---|\n")
	total := m.diet.total()
	for _, s := range m.diet {
		fmt.Fprintf(b, "| %.0f %% | %s | %s | %s | %s |\n", 100*s.Share/total, s.Kind, s.Caption, s.Ask, s.Reply)
	}
	b.WriteString("\n## Scores\n\n")
	if m.tiles == 0 {
		b.WriteString("None: it sees nothing, so that it can't be asked about pictures. The table of README.md has what it guesses when another model sees for it.\n")
		return
	}
	b.WriteString("ROUGE-L F1 on the test problems of each task; replies in another language count as nothing.\n\n")
	b.WriteString("| task | problems | score | language right |\n|---|---:|---:|---:|\n")
	for _, s := range scores {
		fmt.Fprintf(b, "| %s | %d | %.1f ± %.1f %% | %.1f %% |\n", s.Task, s.Problems, 100*s.Accuracy, 100*s.StdErr, 100*s.LanguageRight)
	}
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
