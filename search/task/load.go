package task

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// The limits of a task folder.
const (
	maxDescriptionBytes = 64 << 10 // task.yaml
	maxSplitBytes       = 64 << 20 // one split's file
	maxLineBytes        = 64 << 10 // one problem
	maxProblems         = 100_000  // in one split
)

// Load reads a task from its folder. What is wrong with it is fault.Damaged,
// with the file and the line.
func Load(dir string) (*Task, error) {
	digest := sha256.New()
	data, err := readBounded(filepath.Join(dir, "task.yaml"), maxDescriptionBytes)
	if err != nil {
		return nil, err
	}
	hashPart(digest, data)
	t, err := parseDescription(filepath.Join(dir, "task.yaml"), data)
	if err != nil {
		return nil, err
	}
	t.problems = map[Split][]Problem{}
	t.answers = map[string]number{}
	seen := sightings{ids: map[string]string{}, questions: map[string]sighting{}}
	for _, split := range Splits() {
		path := filepath.Join(dir, string(split)+".jsonl")
		data, err := readBounded(path, maxSplitBytes)
		if err != nil {
			return nil, err
		}
		hashPart(digest, data)
		if t.problems[split], err = t.parseProblems(path, split, data, seen); err != nil {
			return nil, err
		}
	}
	t.Digest = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	return t, nil
}

// hashPart adds a file to the digest, with its length, so that no two tasks
// differ only in where one file ends.
func hashPart(w io.Writer, data []byte) {
	fmt.Fprintf(w, "%d\n", len(data))
	_, _ = w.Write(data)
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "task file")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "task file %s", path)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Damaged, "%s: longer than %d bytes", path, limit)
	}
	return data, nil
}

// sighting is where a question was first seen.
type sighting struct {
	split Split
	at    string
}

// sightings remembers ids and questions over all splits.
type sightings struct {
	ids       map[string]string
	questions map[string]sighting
}

// parseProblems reads the lines of one split.
func (t *Task) parseProblems(path string, split Split, data []byte, seen sightings) ([]Problem, error) {
	var problems []Problem
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxLineBytes)
	line := 0
	for lines.Scan() {
		line++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		at := fmt.Sprintf("%s:%d", path, line)
		p, answer, err := parseProblem(lines.Bytes())
		if err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "%s", at)
		}
		if first, twice := seen.ids[p.ID]; twice {
			return nil, fault.New(fault.Damaged, "%s: id %q was used at %s", at, p.ID, first)
		}
		seen.ids[p.ID] = at
		question := strings.Join(strings.Fields(p.Question), " ")
		if first, twice := seen.questions[question]; twice && first.split != split {
			return nil, fault.New(fault.Damaged, "%s: this question is in the %s split too (%s): scores on it would mean nothing", at, first.split, first.at)
		}
		seen.questions[question] = sighting{split, at}
		if len(problems) == maxProblems {
			return nil, fault.New(fault.Damaged, "%s: more than %d problems", at, maxProblems)
		}
		t.answers[p.Answer] = answer
		problems = append(problems, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s:%d", path, line+1)
	}
	if len(problems) == 0 {
		return nil, fault.New(fault.Damaged, "%s: no problems", path)
	}
	return problems, nil
}

// parseProblem reads one line.
func parseProblem(line []byte) (Problem, number, error) {
	var p Problem
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, number{}, fmt.Errorf("a line is a JSON object with id, question and answer: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p, number{}, fmt.Errorf("something follows the JSON object")
	}
	if p.ID == "" || strings.TrimSpace(p.Question) == "" || !utf8.Valid(line) {
		return p, number{}, fmt.Errorf("a problem needs an id and a question in UTF-8")
	}
	answer, ok := parseAnswer(p.Answer)
	if !ok {
		return p, number{}, fmt.Errorf("the answer %q is not a number", p.Answer)
	}
	return p, answer, nil
}
