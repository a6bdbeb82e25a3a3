package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/mergeway/mergeway/search/task"
)

// jaVGVQA is JA-VG-VQA-500: pictures of Visual Genome with a list of questions each,
// of which the first counts, as in the paper's evaluation.
func jaVGVQA() format {
	return format{
		about:    "JA-VG-VQA-500's Parquet: image, image_id, qas (qa_id, question, answer)",
		pictured: questionsOf(columns{"image.bytes", "qas.question", "qas.answer", "qas.qa_id"}),
		describe: asPicture("JA-VG-VQA-500: questions about photographs"),
	}
}

// jaVLMBench is JA-VLM-Bench-In-the-Wild: pictures of Japan, several with more than
// one question.
func jaVLMBench() format {
	return format{
		about:    "JA-VLM-Bench-In-the-Wild's Parquet: image, question, answer",
		pictured: questionsOf(columns{"image.bytes", "question", "answer", "question_id"}),
		describe: asPicture("JA-VLM-Bench-In-the-Wild: questions about pictures of Japan"),
	}
}

// columns are the names of those that are read: of a nested one the outermost and
// the innermost, for writers differ in what they call the levels of a list.
type columns struct{ image, question, answer, id string }

// questionsOf reads a Parquet file in which pictures are structs of bytes and path, as
// Hugging Face's library writes them.
func questionsOf(c columns) func(f *file) ([]task.Problem, error) {
	return func(f *file) (problems []task.Problem, err error) {
		defer func() { // what the library makes of a damaged file
			if p := recover(); p != nil {
				problems, err = nil, fmt.Errorf("damaged: %v", p)
			}
		}()
		table, err := parquet.OpenFile(bytes.NewReader(f.data), int64(len(f.data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return nil, err
		}
		names := leaves(table.Schema())
		for _, name := range []string{c.image, c.question, c.answer} {
			if !slices.Contains(names, name) {
				return nil, fmt.Errorf("it has no column %s among %v", name, names)
			}
		}
		for _, group := range table.RowGroups() {
			err := eachRow(group, func(row parquet.Row) error {
				first := firsts(row, names)
				p, err := c.problem(f, first, len(problems))
				if err != nil {
					return fmt.Errorf("row %d: %w", len(problems)+1, err)
				}
				problems = append(problems, p)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		return problems, nil
	}
}

// problem is that of one row, of which each column's first value is given.
func (c columns) problem(f *file, first map[string]parquet.Value, n int) (task.Problem, error) {
	text := func(name string) []byte {
		if v := first[name]; v.Kind() == parquet.ByteArray {
			return v.ByteArray()
		}
		return nil
	}
	id := strconv.Itoa(n)
	if v, there := first[c.id]; there && !v.IsNull() {
		id = v.String()
	}
	p, err := accept(id, string(text(c.question)), "", []string{string(text(c.answer))})
	if err == nil {
		p.Image, err = f.show(bytes.Clone(text(c.image)))
	}
	return p, err
}

// leaves are the names of a table's columns of values, by their index.
func leaves(s *parquet.Schema) []string {
	var names []string
	for _, path := range s.Columns() {
		name := path[0]
		if last := len(path) - 1; last > 0 {
			name += "." + path[last]
		}
		names = append(names, name)
	}
	return names
}

// firsts are the first values that a row has in each column: of a list those of its
// first entry.
func firsts(row parquet.Row, names []string) map[string]parquet.Value {
	first := map[string]parquet.Value{}
	for _, v := range row {
		if name := names[v.Column()]; v.RepetitionLevel() == 0 {
			first[name] = v
		}
	}
	return first
}

// eachRow calls do for the rows of a group, one after the other. A row's bytes are
// its own until the next.
func eachRow(group parquet.RowGroup, do func(row parquet.Row) error) (err error) {
	rows := group.Rows()
	defer func() { err = errors.Join(err, rows.Close()) }()
	one := make([]parquet.Row, 1)
	for {
		n, err := rows.ReadRows(one)
		if n == 1 {
			if err := do(one[0]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
}
