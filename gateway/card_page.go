package gateway

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mergeway/mergeway/search/task"
)

// cardPage is a card to be read by people.
type cardPage struct {
	ModelCard
	YAML string // the recipe as mergekit reads it; may be empty
}

// markdown writes the page, with the head that model hubs read.
func (p cardPage) markdown() []byte {
	var b bytes.Buffer
	title := p.Name
	if title == "" {
		title = p.ID
	}
	fmt.Fprintf(&b, "---\ntags: [merge, mergeway]\n")
	if len(p.Parts) > 0 {
		fmt.Fprintf(&b, "base_model:\n")
		for _, part := range p.Parts {
			fmt.Fprintf(&b, "- %q\n", part.Model)
		}
	}
	fmt.Fprintf(&b, "---\n\n# %s\n\n", title)
	fmt.Fprintf(&b, "| | |\n|---|---|\n| id | `%s` |\n| kind | %s |\n| created | %s |\n| digest | `%s` |\n| state | %s |\n",
		p.ID, p.Kind, day(p.Created), p.Digest, p.State)
	if slices.Contains(p.InputModalities, "image") {
		fmt.Fprintf(&b, "| reads | text and pictures |\n")
	}
	if p.Bytes > 0 {
		fmt.Fprintf(&b, "| on the device | %d bytes |\n", p.Bytes)
	}
	if len(p.Aliases) > 0 {
		fmt.Fprintf(&b, "| served as | `%s` |\n", strings.Join(p.Aliases, "`, `"))
	}
	if p.Made != nil {
		fmt.Fprintf(&b, "| made | %s, in %.3f s", day(p.Made.At), p.Made.Seconds)
		if p.Made.MergeSeconds > 0 {
			fmt.Fprintf(&b, ", of which %.3f s for the merge", p.Made.MergeSeconds)
			if p.Made.Streamed {
				b.WriteString(", its sources read meanwhile")
			}
		}
		fmt.Fprintf(&b, " |\n")
	}
	p.parts(&b)
	p.scores(&b)
	switch {
	case p.YAML != "":
		fmt.Fprintf(&b, "\n## Recipe\n\n```yaml\n%s```\n", p.YAML)
	case len(p.Recipe) > 0:
		fmt.Fprintf(&b, "\n## Recipe\n\n```json\n%s\n```\n", p.Recipe)
	}
	return b.Bytes()
}

// parts writes what the model is made of.
func (p cardPage) parts(b *bytes.Buffer) {
	if len(p.Parts) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Made of\n\n| model | is | digest |\n|---|---|---|\n")
	for _, part := range p.Parts {
		roles := []string{}
		if part.Base {
			roles = append(roles, "base")
		}
		if part.Source {
			roles = append(roles, "source")
		}
		digest := "gone"
		if part.Digest != "" {
			digest = "`" + part.Digest + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", part.Model, strings.Join(roles, ", "), digest)
	}
	if p.Changed {
		fmt.Fprintf(b, "\nThe models above are not any more those that the recipe was stored for.\n")
	}
}

// scores writes what searches found.
func (p cardPage) scores(b *bytes.Buffer) {
	if len(p.Scores) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Scores\n\nShares of correct replies, with one standard error. Only the test is unbiased: the others chose.\n\n")
	fmt.Fprintf(b, "| search | task | as | search problems | validation | test |\n|---|---|---|---:|---:|---:|\n")
	for _, s := range p.Scores {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", s.Name, s.Task, s.As, percent(s.SearchScore), percent(s.Validation), percent(s.Test))
	}
}

// percent writes a score, or nothing if there is none.
func percent(s *task.Score) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%.1f ± %.1f %%", 100*s.Accuracy, 100*s.StdErr)
}

// day writes a time as people read it.
func day(seconds int64) string {
	return time.Unix(seconds, 0).UTC().Format("2006-01-02 15:04 MST")
}
