package task

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/mergeway/mergeway/fault"
)

// Library is a folder of tasks. A task is read when it is first asked for, and
// again if that failed, so that a folder can be mended under a running server.
type Library struct {
	dir    string
	loader Loader

	mu     sync.Mutex
	loaded map[string]*Task
}

// NewLibrary is the library of all subfolders of dir, read by a loader.
func NewLibrary(dir string, l Loader) *Library {
	return &Library{dir: dir, loader: l, loaded: map[string]*Task{}}
}

// Get gives a task by name.
func (l *Library) Get(_ context.Context, name string) (*Task, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.loaded[name]; t != nil {
		return t, nil
	}
	if !l.Has(name) {
		return nil, missing(name)
	}
	t, err := l.loader.Load(filepath.Join(l.dir, name))
	if err != nil {
		return nil, err
	}
	l.loaded[name] = t
	return t, nil
}

// Has tells whether there is a task of that name, be it a good one or not.
func (l *Library) Has(name string) bool {
	return CheckName(name) == nil && isTask(filepath.Join(l.dir, name))
}

func missing(name string) error { return fault.New(fault.NotFound, "there is no task %q", clip(name)) }

// Listing is one task of a library, or the reason why it isn't one.
type Listing struct {
	Name string
	Task *Task
	Err  error
}

// List gives all tasks in alphabetical order; broken ones with their error.
func (l *Library) List(ctx context.Context) ([]Listing, error) {
	folders, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the folder of tasks")
	}
	var all []Listing
	for _, f := range folders {
		if !l.Has(f.Name()) {
			continue
		}
		t, err := l.Get(ctx, f.Name())
		all = append(all, Listing{Name: f.Name(), Task: t, Err: err})
	}
	return all, nil
}

// isTask reports whether a folder means to be a task.
func isTask(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, descriptionFile))
	return err == nil && info.Mode().IsRegular()
}
