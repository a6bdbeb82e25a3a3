package catalog

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// lookAdapted finds a source with an adapter on it: "base+adapter", two folders
// below the models folder.
func (c *Catalog) lookAdapted(name string) (found, error) {
	model, adapter := merge.SplitAdapter(name)
	f, err := c.look(model)
	if err != nil {
		return found{}, fault.New(fault.CodeOf(err), "there is no model %q for the adapter of %q", model, name)
	}
	dir := filepath.Join(c.dir, filepath.FromSlash(adapter))
	info, err := os.Stat(filepath.Join(dir, checkpoint.AdapterConfigFile))
	if err != nil || !info.Mode().IsRegular() {
		return found{}, fault.New(fault.NotFound, "there is no adapter %q for the model of %q", adapter, name)
	}
	f.name, f.adapter = name, dir
	if info.ModTime().After(f.created) {
		f.created = info.ModTime()
	}
	return f, nil
}

// isAdapter tells whether a folder has an adapter.
func (c *Catalog) isAdapter(name string) bool {
	info, err := os.Stat(filepath.Join(c.dir, filepath.FromSlash(name), checkpoint.AdapterConfigFile))
	return err == nil && info.Mode().IsRegular()
}

// adapted lists the sources that adapters say they were trained on, each with the
// adapter on it. An adapter may be put on any other model that it fits; that is not
// listed.
func (c *Catalog) adapted(sources []found, adapters []string) []found {
	var all []found
	for _, adapter := range adapters {
		base, err := checkpoint.ReadAdapterBase(filepath.Join(c.dir, filepath.FromSlash(adapter)))
		if err != nil || base == "" {
			continue // who asks for it by name is told why
		}
		for _, s := range sources {
			if s.name != strings.Trim(base, "/") && path.Base(s.name) != path.Base(base) {
				continue
			}
			if f, err := c.look(s.name + merge.AdapterMark + adapter); err == nil {
				all = append(all, f)
			}
		}
	}
	return all
}

// open opens the files of a source, with its adapter if it has one.
func (s *source) open() (*checkpoint.Folder, error) {
	if s.adapter != "" {
		return checkpoint.OpenAdapted(s.dir, s.adapter)
	}
	return checkpoint.Open(s.dir)
}
