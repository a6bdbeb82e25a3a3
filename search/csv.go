package search

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// WriteCSV writes trials as a table: one row a trial, and after what every trial
// has a column for each parameter, with its value in the recipe. What a trial
// lacks is an empty field.
func WriteCSV(w io.Writer, parameters []Parameter, trials []Trial) error {
	out := csv.NewWriter(w)
	head := []string{
		"trial", "generation", "index", "fitness", "problems", "correct", "accuracy", "stderr", "low", "high",
		"duplicate_of", "merge_seconds", "answer_seconds", "prompt_tokens", "generated_tokens", "at", "failure",
	}
	for _, p := range parameters {
		head = append(head, p.Label)
	}
	_ = out.Write(head) // Error tells
	for _, t := range trials {
		row := []string{strconv.Itoa(t.Number), strconv.Itoa(t.Generation), strconv.Itoa(t.Index)}
		if s := t.Score; s != nil {
			row = append(row, number(t.Fitness), strconv.Itoa(s.Problems), strconv.Itoa(s.Correct), number(s.Accuracy), number(s.StdErr), number(s.Low), number(s.High))
		} else {
			row = append(row, "", "", "", "", "", "", "")
		}
		twin := ""
		if t.DuplicateOf != nil {
			twin = strconv.Itoa(*t.DuplicateOf)
		}
		row = append(row, twin, number(t.MergeSeconds), number(t.AnswerSeconds), strconv.Itoa(t.PromptTokens), strconv.Itoa(t.GeneratedTokens), t.At.UTC().Format(time.RFC3339Nano), t.Failure)
		for i, p := range parameters {
			value := ""
			if i < len(t.Genome) {
				value = number(p.Value(t.Genome[i]))
			}
			row = append(row, value)
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fault.Wrap(err, fault.Cancelled, "write the table of trials")
	}
	return nil
}

// number writes a number so that it reads back as the same.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
