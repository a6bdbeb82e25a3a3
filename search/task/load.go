package task

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// The limits of a task.
const (
	maxDescriptionBytes = 64 << 10 // task.yaml
	maxSplitBytes       = 64 << 20 // one split's file
	maxLineBytes        = 64 << 10 // one problem
	maxProblems         = 100_000  // in one split
)

// The names of a task's files, and of what is in them where it comes in a request.
const (
	descriptionFile = "task.yaml"
	descriptionKey  = "yaml"
)

func splitFile(s Split) string { return string(s) + ".jsonl" }

// Files are the contents of a task's files. A split that is nil isn't there.
type Files struct {
	YAML   []byte
	Splits map[Split][]byte
	// Pictures are those that problems show, by the names of their files.
	Pictures map[string][]byte
}

// Loader reads tasks.
type Loader struct {
	// Judge grades replies for the tasks that need one; may be nil.
	Judge Judge
}

// Load reads a task from its folder, without a judge: see [Loader.Load].
func Load(dir string) (*Task, error) { return Loader{}.Load(dir) }

// Load reads a task from its folder, whose name it has. What is wrong with it is
// fault.Damaged, with the file and the line.
func (l Loader) Load(dir string) (*Task, error) {
	files, err := Read(dir)
	if err != nil {
		return nil, err
	}
	t, err := l.Parse(files)
	if err == nil && t.Name != filepath.Base(dir) {
		err = fault.Bad("name", "%s:%d: name: %q has to be the name of the folder, %q", descriptionFile, lineOf(files.YAML, "name"), t.Name, filepath.Base(dir))
	}
	var wrong *fault.Error
	if errors.As(err, &wrong) && wrong.Code == fault.Invalid {
		return nil, &fault.Error{Code: fault.Damaged, Message: dir + string(filepath.Separator) + wrong.Message, Err: wrong.Err}
	}
	return t, err
}

// Parse reads a task from the contents of its files. What is wrong with it is
// fault.Invalid, with the file and the line, and the file's key as the parameter:
// "yaml", or the name of the split.
func (l Loader) Parse(f Files) (*Task, error) {
	t, err := parseDescription(f.YAML, l.Judge)
	if err != nil {
		return nil, err
	}
	for i, e := range t.Examples {
		if err := t.metric.check(e); err != nil {
			return nil, fault.Bad(descriptionKey, "%s:%d: examples: example %d: %v", descriptionFile, lineOf(f.YAML, "examples"), i+1, err)
		}
	}
	if t.pictures, err = parsePictures(f.Pictures); err != nil {
		return nil, err
	}
	t.Digest = f.digest(t.pictures)
	t.problems = map[Split][]Problem{}
	seen := sightings{ids: map[string]string{}, questions: map[string]sighting{}}
	for _, split := range Splits() {
		data := f.Splits[split]
		if data == nil {
			continue
		}
		if t.problems[split], err = t.parseProblems(split, data, seen); err != nil {
			return nil, err
		}
	}
	if len(t.problems) == 0 {
		return nil, fault.Bad(string(Test), "%s: a task needs at least one of %s, %s and %s beside it", descriptionFile, splitFile(Search), splitFile(Validation), splitFile(Test))
	}
	return t, t.checkUsed()
}

// digest names the contents. Each file goes in with its length, so that no two
// tasks differ only in where one file ends; of pictures, which have been read, their
// hashes do.
func (f Files) digest(pictures map[string]Picture) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(f.YAML))
	h.Write(f.YAML)
	for _, split := range Splits() {
		if data := f.Splits[split]; data != nil {
			if len(f.Splits) < len(Splits()) { // which one it is would not be clear
				fmt.Fprintf(h, "%s ", split)
			}
			fmt.Fprintf(h, "%d\n", len(data))
			h.Write(data)
		}
	}
	hashPictures(h, pictures)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Read reads the files of a task's folder as they are.
func Read(dir string) (Files, error) {
	f := Files{Splits: map[Split][]byte{}}
	var err error
	if f.YAML, err = readBounded(filepath.Join(dir, descriptionFile), maxDescriptionBytes); err != nil {
		return f, err
	}
	for _, split := range Splits() {
		data, err := readBounded(filepath.Join(dir, splitFile(split)), maxSplitBytes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return f, err
		}
		f.Splits[split] = data
	}
	f.Pictures, err = readPictures(dir, f.Splits)
	return f, err
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
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// Write makes a folder of a task's files. A file that is there already is an
// error, unless it is the same picture; the folder itself may be.
func (f Files) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the task's folder can't be made")
	}
	write := func(name string, data []byte) error {
		if data == nil {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the folder of the task's pictures can't be made")
		}
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fault.Wrap(err, fault.Conflict, "the task's file can't be made")
		}
		_, err = file.Write(data)
		if err := errors.Join(err, file.Close()); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the task's file can't be written")
		}
		return nil
	}
	err := write(descriptionFile, f.YAML)
	for _, split := range Splits() {
		if err == nil {
			err = write(splitFile(split), f.Splits[split])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Pictures)) {
		if err == nil {
			err = CheckPictureName(name)
		}
		if known, missing := os.ReadFile(filepath.Join(dir, name)); missing == nil && bytes.Equal(known, f.Pictures[name]) {
			continue
		}
		if err == nil {
			err = write(name, f.Pictures[name])
		}
	}
	return err
}
