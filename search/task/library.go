package task

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/mergeway/mergeway/fault"
)

// Library is a folder of tasks. A task is read when it is first asked for, and
// again if that failed, so that a folder can be mended under a running server.
type Library struct {
	dir string

	mu     sync.Mutex
	loaded map[string]*Task
}

// NewLibrary is the library of all subfolders of dir.
func NewLibrary(dir string) *Library {
	return &Library{dir: dir, loaded: map[string]*Task{}}
}

// Get gives a task by name.
func (l *Library) Get(name string) (*Task, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.loaded[name]; t != nil {
		return t, nil
	}
	dir := filepath.Join(l.dir, name)
	if !namePattern.MatchString(name) || !isTask(dir) {
		return nil, fault.New(fault.NotFound, "there is no task %q", name)
	}
	t, err := Load(dir)
	if err != nil {
		return nil, err
	}
	l.loaded[name] = t
	return t, nil
}

// Listing is one task of a library, or the reason why it isn't one.
type Listing struct {
	Name string
	Task *Task
	Err  error
}

// List gives all tasks in alphabetical order; broken ones with their error.
func (l *Library) List() ([]Listing, error) {
	folders, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the folder of tasks")
	}
	var all []Listing
	for _, f := range folders {
		if !namePattern.MatchString(f.Name()) || !isTask(filepath.Join(l.dir, f.Name())) {
			continue
		}
		t, err := l.Get(f.Name())
		all = append(all, Listing{Name: f.Name(), Task: t, Err: err})
	}
	return all, nil
}

// isTask reports whether a folder means to be a task.
func isTask(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "task.yaml"))
	return err == nil && info.Mode().IsRegular()
}
