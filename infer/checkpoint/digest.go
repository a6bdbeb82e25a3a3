package checkpoint

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash"
	"path/filepath"

	"lukechampine.com/blake3"

	"github.com/mergeway/mergeway/fault"
)

// Digest identifies the model by content: "blake3:" and the hash over the
// config and every tensor's name, dtype, shape and bytes, however they are
// spread over files. It reads all weights once and remembers the result. BLAKE3
// takes half the time that SHA-256 does, which would be most of a merge's.
func (f *Folder) Digest() (string, error) { return f.DigestContext(context.Background()) }

// DigestContext is Digest for who may not wait for it: when ctx ends it gives up
// after the tensor that it is reading.
func (f *Folder) DigestContext(ctx context.Context) (string, error) {
	f.hashing.Lock()
	defer f.hashing.Unlock()
	if f.digest != "" {
		return f.digest, nil
	}
	if f.where == nil { // not the digest of a model without tensors
		return "", fmt.Errorf("digest of %s: the folder is closed", filepath.Base(f.dir))
	}
	h := blake3.New(32, nil)
	config, err := f.config.JSON()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "config %d\n", len(config))
	h.Write(config)
	if f.vision != nil {
		if err := f.vision.hash(h); err != nil {
			return "", err
		}
	}
	for _, info := range f.Tensors() {
		if err := ctx.Err(); err != nil {
			return "", fault.Wrap(err, fault.Cancelled, "digest of %s", filepath.Base(f.dir))
		}
		f.hashTensor(h, info)
	}
	f.digest = "blake3:" + hex.EncodeToString(h.Sum(nil))
	if f.adapter != nil {
		f.digest = adaptedDigest(f.digest, f.adapter.digest())
	}
	return f.digest, nil
}

// hashTensor adds a tensor to a hash.
func (f *Folder) hashTensor(h hash.Hash, info TensorInfo) {
	_, data := f.where[info.Name].tensor()
	fmt.Fprintf(h, "tensor %q %s %v %d\n", info.Name, info.DType, info.Shape, len(data))
	f.ReadAhead(info.Name)
	h.Write(data)
	f.LetGo(info.Name)
}

// VisionDigest identifies the part that sees by content, as Digest does the whole: it
// is the same for all models that have that part. Without one it is "".
func (f *Folder) VisionDigest(ctx context.Context) (string, error) {
	if f.vision == nil {
		return "", nil
	}
	h := blake3.New(32, nil)
	if err := f.vision.hash(h); err != nil {
		return "", err
	}
	for _, info := range VisionTensors(f.Tensors()) {
		if err := ctx.Err(); err != nil {
			return "", fault.Wrap(err, fault.Cancelled, "digest of what sees in %s", filepath.Base(f.dir))
		}
		f.hashTensor(h, info)
	}
	digest := "blake3:" + hex.EncodeToString(h.Sum(nil))
	if f.adapter != nil && f.adapter.changesVision() {
		digest = adaptedDigest(digest, f.adapter.digest())
	}
	return digest, nil
}
