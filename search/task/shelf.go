package task

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// ShelfStore is what a Shelf needs of a store.Store.
type ShelfStore interface {
	CreateDocument(ctx context.Context, d store.Document) error
	GetDocument(ctx context.Context, kind, id string) (store.Document, error)
	DocumentData(ctx context.Context, kind, id string) ([]byte, error)
	ListDocuments(ctx context.Context, kind string) ([]store.Document, error)
	DeleteDocument(ctx context.Context, kind, id string) error
}

// shelfKind is the kind of documents that uploaded tasks are.
const shelfKind = "task"

// Shelf has the tasks of a folder, and beside them those that were uploaded, which
// all processes on one store have in common. A name belongs to one of them.
type Shelf struct {
	folder *Library
	loader Loader
	store  ShelfStore
	limit  int // uploaded tasks

	mu     sync.Mutex
	loaded map[string]*Task // uploaded ones, by name
}

// NewShelf makes a shelf for at most limit uploaded tasks.
func NewShelf(folder *Library, l Loader, s ShelfStore, limit int) *Shelf {
	return &Shelf{folder: folder, loader: l, store: s, limit: limit, loaded: map[string]*Task{}}
}

// shelved is the body of an uploaded task's document.
type shelved struct {
	Digest string `json:"digest"`
}

// Get gives a task by name. The store is asked about an uploaded one each time, for
// another process may have deleted it; it is read only if it is another one.
func (s *Shelf) Get(ctx context.Context, name string) (*Task, error) {
	if s.folder.Has(name) {
		return s.folder.Get(ctx, name)
	}
	if CheckName(name) != nil {
		return nil, missing(name)
	}
	d, err := s.store.GetDocument(ctx, shelfKind, name)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			err = missing(name)
		}
		return nil, err
	}
	return s.read(ctx, d)
}

// read gives the task of a document.
func (s *Shelf) read(ctx context.Context, d store.Document) (*Task, error) {
	var about shelved
	if err := json.Unmarshal(d.Body, &about); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "the record of task %q", d.ID)
	}
	s.mu.Lock()
	t := s.loaded[d.ID]
	s.mu.Unlock()
	if t != nil && t.Digest == about.Digest {
		return t, nil
	}
	data, err := s.store.DocumentData(ctx, shelfKind, d.ID)
	if err != nil {
		return nil, err
	}
	files, err := unpack(data)
	if err == nil {
		t, err = s.loader.Parse(files)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "the uploaded task %q", d.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded[d.ID] = t
	return t, nil
}

// List gives all tasks in alphabetical order; broken ones with their error.
func (s *Shelf) List(ctx context.Context) ([]Listing, error) {
	all, err := s.folder.List(ctx)
	if err != nil {
		return nil, err
	}
	uploaded, err := s.store.ListDocuments(ctx, shelfKind)
	if err != nil {
		return nil, err
	}
	for _, d := range uploaded {
		if s.folder.Has(d.ID) { // put into the folder later; that one goes first
			continue
		}
		t, err := s.read(ctx, d)
		all = append(all, Listing{Name: d.ID, Task: t, Err: err, Uploaded: true})
	}
	slices.SortFunc(all, func(a, b Listing) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Put checks a task and keeps it. To put the same one again changes nothing; made
// tells whether it is new. Another task of the name is a fault.Conflict: what
// scores were found with has to be deleted by somebody who means it.
func (s *Shelf) Put(ctx context.Context, f Files) (t *Task, made bool, err error) {
	if t, err = s.loader.Parse(f); err != nil {
		return nil, false, err
	}
	if s.folder.Has(t.Name) {
		return nil, false, &fault.Error{Code: fault.Conflict, Param: "yaml", Message: "there is a task " + t.Name + " in the server's folder of tasks"}
	}
	there, err := s.store.ListDocuments(ctx, shelfKind)
	if err != nil {
		return nil, false, err
	}
	taken := slices.ContainsFunc(there, func(d store.Document) bool { return d.ID == t.Name })
	if !taken && len(there) >= s.limit {
		return nil, false, fault.New(fault.Conflict, "%d tasks are uploaded, which is as many as may: delete one first", len(there))
	}
	body, err := json.Marshal(shelved{t.Digest})
	if err != nil {
		return nil, false, fault.Wrap(err, fault.Internal, "write task %q", t.Name)
	}
	data, err := pack(f)
	if err != nil {
		return nil, false, err
	}
	err = s.store.CreateDocument(ctx, store.Document{Kind: shelfKind, ID: t.Name, Body: body, CreatedAt: time.Now(), Data: data})
	if fault.CodeOf(err) == fault.Conflict {
		known, err := s.Get(ctx, t.Name)
		if err == nil && known.Digest == t.Digest {
			return known, false, nil
		}
		return nil, false, &fault.Error{Code: fault.Conflict, Param: "yaml", Message: "there is another task " + t.Name + ": give this one another name, or delete that one first"}
	}
	return t, err == nil, err
}

// Delete forgets an uploaded task.
func (s *Shelf) Delete(ctx context.Context, name string) error {
	if s.folder.Has(name) {
		return fault.New(fault.Conflict, "the task %q is in the server's folder of tasks: it was not uploaded", name)
	}
	if CheckName(name) != nil {
		return missing(name)
	}
	err := s.store.DeleteDocument(ctx, shelfKind, name)
	if fault.CodeOf(err) == fault.NotFound {
		err = missing(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loaded, name)
	return err
}

// packedFiles is how a task's files are kept: as compressed JSON.
type packedFiles struct {
	YAML   []byte           `json:"yaml"`
	Splits map[Split][]byte `json:"splits"`
	// Pictures are compressed already, which costs a little time and no room.
	Pictures map[string][]byte `json:"pictures,omitempty"`
}

func pack(f Files) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err == nil {
		err = json.NewEncoder(w).Encode(packedFiles(f))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the task can't be packed")
	}
	return out.Bytes(), nil
}

func unpack(data []byte) (Files, error) {
	var f packedFiles
	r := flate.NewReader(bytes.NewReader(data))
	defer r.Close()
	const most = 2 * (maxDescriptionBytes + 3*maxSplitBytes + maxPicturesBytes) // as base64
	if err := json.NewDecoder(io.LimitReader(r, most)).Decode(&f); err != nil {
		return Files{}, fault.Wrap(err, fault.Damaged, "the task can't be unpacked")
	}
	return Files(f), nil
}
