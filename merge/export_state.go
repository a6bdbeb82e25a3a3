package merge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// stateFile is where an export keeps how far it is, beside what it has written.
// It is gone when the folder is in its place.
const stateFile = ".mergeway_export_state.json"

// maxStateFile bounds what is read of one, in bytes.
const maxStateFile = 16 << 20

// exportState is how far an export is, for the one that goes on from it.
type exportState struct {
	Plan  string                    `json:"plan"` // what is written: see exportPlan
	Note  json.RawMessage           `json:"note,omitempty"`
	Files map[string]checkpoint.Sum `json:"files"` // of weights that are there to the last byte
}

// exportPlan identifies what an export writes: two of one plan write the same
// bytes. An export of which it isn't known what its models hold has none.
func exportPlan(body []byte, shards []checkpoint.Shard, o ExportOptions) (string, error) {
	if o.Identity == "" {
		return "", nil
	}
	plan, err := json.Marshal(struct {
		Identity string
		Recipe   json.RawMessage
		Shards   []checkpoint.Shard
	}{o.Identity, body, shards})
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "describe the export")
	}
	digest := sha256.Sum256(plan)
	return hex.EncodeToString(digest[:]), nil
}

// readState reads what an export has left in a folder; the zero value if that is
// nothing that could be understood.
func readState(dir string) (s exportState) {
	data, err := checkpoint.ReadSmall(dir, stateFile, maxStateFile)
	if err != nil || json.Unmarshal(data, &s) != nil {
		return exportState{}
	}
	return s
}

// save keeps the state.
func (s exportState) save(dir string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "keep the state of the export")
	}
	return unavailable(checkpoint.WriteBytes(filepath.Join(dir, stateFile), data), "keep the state of the export")
}

// resume takes over what an earlier export of the same plan has left, as far as it
// still is what was written, and removes everything else.
func (p *exportPlace) resume(ctx context.Context, plan string, note json.RawMessage) error {
	before := readState(p.making)
	p.state = exportState{Plan: plan, Note: note, Files: map[string]checkpoint.Sum{}}
	if plan != "" && before.Plan == plan {
		for name, sum := range before.Files {
			if err := cancelled(ctx); err != nil {
				return err
			}
			if name != filepath.Base(name) {
				continue
			}
			if now, err := checkpoint.SumFile(filepath.Join(p.making, name)); err == nil && now == sum {
				p.state.Files[name] = sum
			}
		}
	}
	entries, err := os.ReadDir(p.making)
	for _, e := range entries {
		if _, kept := p.state.Files[e.Name()]; !kept {
			err = errors.Join(err, os.RemoveAll(filepath.Join(p.making, e.Name())))
		}
	}
	if err != nil {
		return unavailable(err, "remove what an earlier export has left")
	}
	if plan == "" {
		return nil
	}
	return p.state.save(p.making)
}

// wrote notes that a file of weights is there to the last byte.
func (p *exportPlace) wrote(name string, sum checkpoint.Sum) error {
	p.state.Files[name] = sum
	if p.state.Plan == "" {
		return nil
	}
	return p.state.save(p.making)
}

// Left is an export that has not come to its end, and that nobody is at work on.
type Left struct {
	Dir  string          // where it was to write
	Note json.RawMessage // what it was given as [ExportOptions].Note
}

// LeftExports finds the exports with a note that a process has left below a
// folder, by its end or by being suspended.
func LeftExports(folder string) ([]Left, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err, "look for exports that were cut off")
	}
	var all []Left
	for _, e := range entries {
		name, ok := exportOf(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		err := left(filepath.Join(folder, name), func(p *exportPlace) error {
			if s := readState(p.making); len(s.Note) > 0 {
				all = append(all, Left{Dir: p.dir, Note: s.Note})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ErrSuspended is the cause to cancel an export's context with, so that what it
// has written stays for the one that goes on. With any other it is removed.
var ErrSuspended = errors.New("the export is suspended")

// ended settles what becomes of what was written by an export that ended with err,
// and says so where it is of use to somebody.
func (p *exportPlace) ended(err error, suspended bool) error {
	switch {
	case err == nil || p.state.Plan == "":
		return err
	case suspended:
		p.keep = true
		return err
	case fault.CodeOf(err) == fault.Cancelled || len(p.state.Files) == 0:
		return err
	}
	if len(p.state.Note) > 0 { // nobody is to go on who was not asked to
		p.state.Note = nil
		if p.state.save(p.making) != nil {
			return err
		}
	}
	p.keep = true
	said := fault.Error{Code: fault.CodeOf(err), Message: "the export failed", Err: err}
	if f := new(fault.Error); errors.As(err, &f) {
		said.Param, said.Message, said.Err = f.Param, f.Message, f.Err
	}
	said.Message += "; the files that are complete are kept in " + filepath.Base(p.making) + ", and the same export goes on from there"
	return &said
}

// LeaveExport forgets the note of an export that was left, so that nobody goes on
// with it who isn't asked to. What it has written stays.
func LeaveExport(dir string) error {
	return left(dir, func(p *exportPlace) error {
		s := readState(p.making)
		if len(s.Note) == 0 {
			return nil
		}
		s.Note = nil
		return s.save(p.making)
	})
}

// DiscardExport removes what an export has left.
func DiscardExport(dir string) error {
	return left(dir, func(p *exportPlace) error {
		return unavailable(os.RemoveAll(p.making), "remove what an export has left")
	})
}

// left does something to what an export has left, if that is there and nobody is at
// work on it.
func left(dir string, do func(*exportPlace) error) error {
	p := newPlaceAt(dir)
	defer p.unlock()
	switch err := p.lock(p.making); {
	case errors.Is(err, fs.ErrNotExist) || fault.CodeOf(err) == fault.Conflict:
		return nil
	case err != nil:
		return err
	}
	return do(p)
}
