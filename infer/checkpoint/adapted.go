package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
)

// OpenAdapted opens the model of a folder with the adapter of another put on it:
// its tensors are what they are in the first, and [Folder.Delta] tells what is
// added to them. Both are in its digest. An adapter that does not go with the
// model, or can't be honoured, is fault.Damaged.
func OpenAdapted(dir, adapter string) (*Folder, error) {
	f, err := Open(dir)
	if err != nil {
		return nil, err
	}
	a, err := openAdapter(adapter)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	f.adapter = a
	shapes := map[string][]int{}
	for _, t := range f.Tensors() {
		shapes[t.Name] = t.Shape
	}
	if f.config.TieWordEmbeddings {
		delete(shapes, "lm_head.weight") // is the embedding, whatever the file holds
	}
	if err := a.fits(shapes); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Delta tells what the model's adapter does to a tensor, if it does anything.
func (f *Folder) Delta(tensor string) (Delta, bool) {
	if f.adapter == nil {
		return Delta{}, false
	}
	d, ok := f.adapter.deltas[tensor]
	return d, ok
}

// adaptedDigest is the digest of a model with an adapter on it.
func adaptedDigest(model, adapter string) string {
	hash := sha256.Sum256([]byte("adapted model\n" + model + "\n" + adapter))
	return "sha256:" + hex.EncodeToString(hash[:])
}

// ReadAdapterBase gives the name of the model that an adapter was trained on, as its
// configuration has it; it may be a path.
func ReadAdapterBase(dir string) (string, error) {
	data, err := ReadSmall(dir, AdapterConfigFile, maxConfigBytes)
	if err != nil {
		return "", err
	}
	c, err := parseAdapterConfig(data)
	return c.Base, err
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
