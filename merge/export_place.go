package merge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// exportPlace is where an export goes: its folder, and the one beside it that
// everything is written to first. That one has a name of its own and is locked
// while somebody writes to it, so that what a killed process has left can be told
// from what another one is writing.
type exportPlace struct {
	dir     string
	making  string
	replace bool
	locks   []*os.File // of making, and of what it takes the place of
	state   exportState
	done    bool
	keep    bool // what is not done, for the next one
}

// What is put around a folder's name while it is made.
const (
	makingPrefix = "."
	makingSuffix = ".mergeway-export"
)

// exportOf gives the name of the folder that is made in one of a given name.
func exportOf(making string) (string, bool) {
	name, begins := strings.CutPrefix(making, makingPrefix)
	name, ends := strings.CutSuffix(name, makingSuffix)
	return name, begins && ends && name != ""
}

// CheckPlace tells whether a model can be exported to a folder, so that it is
// known before any work: fault.Conflict if there is something that may not be
// replaced.
func CheckPlace(dir string, replace bool) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unavailable(err, "the folder to write")
	case !replace:
		return fault.New(fault.Conflict, "%s exists already: choose another folder, or force to replace an export", filepath.Base(dir))
	}
	if recipe, err := os.Lstat(filepath.Join(dir, RecipeFile)); !info.IsDir() || err != nil || !recipe.Mode().IsRegular() {
		return fault.New(fault.Conflict, "%s is no export of mergeway, and will not be replaced", filepath.Base(dir))
	}
	return nil
}

// openPlace makes a folder to write to, or takes over the one that an earlier
// export has left; it fails with fault.Conflict if the place is taken. What is
// there is for resume to look at.
func openPlace(dir string, replace bool) (*exportPlace, error) {
	dir = filepath.Clean(dir)
	if err := CheckPlace(dir, replace); err != nil {
		return nil, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, unavailable(err, "the folder to write")
	}
	p := newPlaceAt(dir)
	p.replace = replace
	if err := p.claim(); err != nil {
		return nil, err
	}
	return p, nil
}

// newPlaceAt names the folders of an export.
func newPlaceAt(dir string) *exportPlace {
	dir = filepath.Clean(dir)
	return &exportPlace{dir: dir, making: filepath.Join(filepath.Dir(dir), makingPrefix+filepath.Base(dir)+makingSuffix)}
}

// claim makes the folder to write to, or takes over what nobody writes to any
// more, and locks it. The lock goes with its process, however that ends.
func (p *exportPlace) claim() error {
	for {
		if err := os.Mkdir(p.making, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return unavailable(err, "the folder to write")
		}
		err := p.lock(p.making)
		if errors.Is(err, fs.ErrNotExist) {
			continue // who wrote there has just ended
		}
		return err
	}
}

// lock locks a folder until close; fs.ErrNotExist if it is not there, or has just
// been moved away.
func (p *exportPlace) lock(dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder to write")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fault.New(fault.Conflict, "%s is being written by another export", filepath.Base(p.dir))
		}
		return fault.Wrap(err, fault.Unavailable, "lock the folder to write")
	}
	opened, err := f.Stat()
	if err == nil {
		var now fs.FileInfo
		if now, err = os.Lstat(dir); err == nil && !os.SameFile(opened, now) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		_ = f.Close()
		return fault.Wrap(err, fault.Unavailable, "the folder to write")
	}
	p.locks = append(p.locks, f)
	return nil
}

// commit puts the folder in its place, whole.
func (p *exportPlace) commit() error {
	if err := os.Remove(filepath.Join(p.making, stateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err, "put the folder in its place")
	}
	if err := syncFolder(p.making); err != nil {
		return err
	}
	if err := CheckPlace(p.dir, p.replace); err != nil { // somebody may have come first
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, p.making, unix.AT_FDCWD, p.dir, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		p.done = true
	case errors.Is(err, unix.EEXIST) && p.replace:
		err = p.exchange()
	case errors.Is(err, unix.EEXIST):
		return fault.New(fault.Conflict, "%s exists already", filepath.Base(p.dir))
	}
	if errors.Is(err, unix.EINVAL) { // a file system that can't do it at once
		err = p.commitInSteps()
	}
	if err != nil {
		return unavailable(err, "put the folder in its place")
	}
	return syncFolder(filepath.Dir(p.dir))
}

// exchange lets the old folder and the new one change places at once. The old one
// then is where close removes it, and locked until it has.
func (p *exportPlace) exchange() error {
	if err := p.lock(p.dir); err != nil {
		return err
	}
	return unix.Renameat2(unix.AT_FDCWD, p.making, unix.AT_FDCWD, p.dir, unix.RENAME_EXCHANGE)
}

// commitInSteps is commit where folders can't change places at once: whoever is
// killed in between leaves the old folder beside its place.
func (p *exportPlace) commitInSteps() error {
	old := p.making + ".old"
	if p.replace {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
		if err := os.Rename(p.dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(p.making, p.dir); err != nil {
		return err
	}
	p.done = true
	return os.RemoveAll(old)
}

// close removes what is not in its place, unless it is kept.
func (p *exportPlace) close() {
	if !p.done && !p.keep {
		_ = os.RemoveAll(p.making)
	}
	p.unlock()
}

// unlock lets others write there.
func (p *exportPlace) unlock() {
	for _, f := range p.locks {
		_ = f.Close()
	}
}

// syncFolder makes what was renamed in a folder last.
func syncFolder(dir string) error {
	if err := checkpoint.SyncFolder(dir); err != nil {
		return fault.Wrap(err, fault.Unavailable, "sync the folder")
	}
	return nil
}

// unavailable says that the disk did not do its part, and which, unless the error
// tells another reason. It is nil for nil.
func unavailable(err error, format string, args ...any) error {
	switch {
	case err == nil || errors.As(err, new(*fault.Error)):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fault.Wrap(err, fault.Unavailable, "the disk is full")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return fault.Wrap(err, fault.Unavailable, format+": permission denied", args...)
	}
	return fault.Wrap(err, fault.Unavailable, format, args...)
}
