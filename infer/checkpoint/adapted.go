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
	if err := a.rename(f.nameOf); err != nil {
		_ = f.Close()
		return nil, err
	}
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

// rename gives what the adapter changes the names that it has in memory. An adapter of
// a plain model goes with the decoder of one that sees as well.
func (a *Adapter) rename(name func(string) string) error {
	deltas := make(map[string]Delta, len(a.deltas))
	for tensor, d := range a.deltas {
		here := name(tensor)
		if _, twice := deltas[here]; twice {
			return a.wrong("it changes %q under two names", here)
		}
		deltas[here] = d
	}
	a.deltas = deltas
	return nil
}

// changesVision tells whether any of what it changes belongs to the part that sees.
func (a *Adapter) changesVision() bool {
	return slices.ContainsFunc(sortedKeys(a.deltas), IsVision)
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
