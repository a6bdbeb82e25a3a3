package merge

import (
	"fmt"
	"strings"
)

// Card is what the card of an exported model tells beside its recipe.
type Card struct {
	// Digests are those of the recipe's leaves, over their contents.
	Digests map[string]string
	// Scores are what the model was found to be worth, if that is known.
	Scores []CardScore
}

// CardScore is a share of correct answers.
type CardScore struct {
	Task     string
	Split    string // which of the task's problems: search, validation or test
	Problems int
	Accuracy float64
	StdErr   float64 // of Accuracy
}

// page is README.md, with the head that model hubs read.
func (c Card) page(name string, r Recipe, body []byte, layers int) []byte {
	var b strings.Builder
	does := "text-generation"
	if r.Sees() != "" {
		does = "image-text-to-text"
	}
	fmt.Fprintf(&b, "---\nlibrary_name: transformers\npipeline_tag: %s\ntags:\n- merge\n- mergeway\nbase_model:\n", does)
	for _, m := range r.Leaves() {
		fmt.Fprintf(&b, "- %q\n", m)
	}
	fmt.Fprintf(&b, "---\n\n# %s\n\nMerged by mergeway with the method `%s`", name, r.Method)
	if r.Base != "" && r.Method.NeedsBase() {
		fmt.Fprintf(&b, " on `%s`", r.Base)
	}
	if lender := r.Sees(); lender != "" {
		fmt.Fprintf(&b, ". Vision tower and projector are those of `%s`, unchanged", lender)
	}
	fmt.Fprintf(&b, ".\n\n## Made of\n\n| model | digest |\n|---|---|\n")
	for _, m := range r.Leaves() {
		digest := "—"
		if d := c.Digests[m]; d != "" {
			digest = "`" + d + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", m, digest)
	}
	if len(c.Scores) > 0 {
		fmt.Fprintf(&b, "\n## Scores\n\n| task | problems | correct |\n|---|---|---|\n")
		for _, s := range c.Scores {
			fmt.Fprintf(&b, "| %s | %d, %s | %.1f ± %.1f %% |\n", s.Task, s.Problems, s.Split, 100*s.Accuracy, 100*s.StdErr)
		}
	}
	fmt.Fprintf(&b, "\n## Recipe\n\n")
	// Not every recipe can be written for mergekit; JSON says it all.
	if text, err := r.YAML(name, func(Recipe) (int, error) { return layers, nil }); err == nil {
		fmt.Fprintf(&b, "As [mergekit](https://github.com/arcee-ai/mergekit) reads it:\n\n```yaml\n%s```\n\nAs mergeway keeps it:\n\n", text)
	}
	fmt.Fprintf(&b, "```json\n%s\n```\n", body)
	return []byte(b.String())
}
