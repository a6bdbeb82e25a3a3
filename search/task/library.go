package task

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mergeway/mergeway/fault"
)

// Library is a folder of tasks. A task is read when it is first asked for, and
// again when its files have changed or if that failed, so that a folder can be
// mended under a running server. Who has a task goes on with it as it was.
type Library struct {
	dir    string
	loader Loader

	mu     sync.Mutex
	loaded map[string]read
}

// read is a task, and what its files looked like.
type read struct {
	task  *Task
	stamp string
}

// NewLibrary is the library of all subfolders of dir, read by a loader.
func NewLibrary(dir string, l Loader) *Library {
	return &Library{dir: dir, loader: l, loaded: map[string]read{}}
}

// Get gives a task by name.
func (l *Library) Get(_ context.Context, name string) (*Task, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.Has(name) {
		return nil, missing(name)
	}
	dir := filepath.Join(l.dir, name)
	now := stampOf(dir) // before they are read: what changes meanwhile is read again
	if known := l.loaded[name]; known.task != nil && known.stamp == now {
		return known.task, nil
	}
	t, err := l.loader.Load(dir)
	if err != nil {
		return nil, err
	}
	l.loaded[name] = read{t, now}
	return t, nil
}

// stampOf says what the files of a folder look like, without reading them.
func stampOf(dir string) string {
	var stamp strings.Builder
	look := func(dir string) (folders []string) {
		files, _ := os.ReadDir(dir) // what can't be read, loading reports
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				fmt.Fprintln(&stamp, f.Name(), info.Size(), info.ModTime().UnixNano())
			}
			if f.IsDir() {
				folders = append(folders, filepath.Join(dir, f.Name()))
			}
		}
		return folders
	}
	for _, pictures := range look(dir) {
		look(pictures)
	}
	return stamp.String()
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
	// Uploaded tells that it came over HTTP, and can be deleted.
	Uploaded bool
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
