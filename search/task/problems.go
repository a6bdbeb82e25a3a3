package task

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// sighting is where a question was first seen.
type sighting struct {
	split  Split
	id, at string
}

// sightings remembers ids and questions over all splits.
type sightings struct {
	ids       map[string]string
	questions map[string]sighting // by what is asked and shown
}

// parseProblems reads the lines of one split.
func (t *Task) parseProblems(split Split, data []byte, seen sightings) ([]Problem, error) {
	file, param := splitFile(split), string(split)
	if len(data) > maxSplitBytes {
		return nil, fault.Bad(param, "%s: longer than %d bytes", file, maxSplitBytes)
	}
	var problems []Problem
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxLineBytes)
	line := 0
	for lines.Scan() {
		line++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		at := fmt.Sprintf("%s:%d", file, line)
		p, err := parseProblem(lines.Bytes())
		if err == nil {
			err = t.metric.check(p)
		}
		if err == nil {
			err = t.checkPictures(p)
		}
		if err != nil {
			return nil, fault.Bad(param, "%s: %v", at, err)
		}
		if first, twice := seen.ids[p.ID]; twice {
			return nil, fault.Bad(param, "%s: id %q was used at %s", at, p.ID, first)
		}
		seen.ids[p.ID] = at
		asked := p.normalized() + t.hashes(p)
		if first, twice := seen.questions[asked]; twice && first.split != split {
			return nil, fault.Bad(param, "%s: problem %q asks what problem %q of the %s split does (%s): scores on it would mean nothing", at, p.ID, first.id, first.split, first.at)
		}
		seen.questions[asked] = sighting{split, p.ID, at}
		if len(problems) == maxProblems {
			return nil, fault.Bad(param, "%s: more than %d problems", at, maxProblems)
		}
		problems = append(problems, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Bad(param, "%s:%d: %v", file, line+1, err)
	}
	if len(problems) == 0 {
		return nil, fault.Bad(param, "%s: no problems", file)
	}
	return problems, nil
}

// normalized is what a problem asks, so that two that differ only in width, case
// or white space are the same.
func (p Problem) normalized() string {
	text := normalizeCase.apply(normalizeWidth.apply(p.Context + "\n" + p.Question))
	return strings.Join(strings.Fields(text), " ")
}

// parseProblem reads one line.
func parseProblem(line []byte) (Problem, error) {
	var p Problem
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("a line is a JSON object with id, question and answer: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p, fmt.Errorf("something follows the JSON object")
	}
	if p.ID == "" || strings.TrimSpace(p.Question) == "" || !utf8.Valid(line) {
		return p, fmt.Errorf("a problem needs an id and a question in UTF-8")
	}
	return p, p.checkShown()
}
