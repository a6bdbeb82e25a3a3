package catalog

import (
	"context"
	"encoding/json"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// The part of a source that sees pictures is a resident of its own beside the source's
// weights: it is loaded once for the source and all recipes that have it, and held by
// their models until these are freed.

// visionKey is its key among the residents. No model has a name with a space.
func visionKey(source string) string { return "vision of " + source }

// heldVision is a vision part that is held for a model that is being made.
type heldVision struct {
	vision *infer.Vision // nil if the model is to see nothing
	free   func()
}

// give hands it to the model, which holds it until its weights are freed.
func (h *heldVision) give(m *infer.Model) *infer.Model {
	if h.vision != nil {
		m.Vision, m.Template = h.vision, m.Template.Seeing(h.vision.Config().ImageTokenID)
		m.Weights.OnFree(h.free)
		h.free = nil
	}
	return m
}

// release lets go of what no model has got.
func (h *heldVision) release() {
	if h.free != nil {
		h.free()
		h.free = nil
	}
}

// holdVision gives the vision part of a source, loading it if it isn't there; of no
// source, nothing.
func (c *Catalog) holdVision(ctx context.Context, source string) (*heldVision, error) {
	if source == "" {
		return &heldVision{}, nil
	}
	s, err := c.source(source)
	if err != nil {
		return nil, err
	}
	r, fresh := c.residents.hold(visionKey(source))
	if fresh {
		if err := c.start(func() { c.makeVision(r, s) }); err != nil {
			c.residents.settle(r, nil, 0, err)
		}
	}
	if err := c.await(ctx, r, source); err != nil {
		return nil, err
	}
	return &heldVision{vision: r.model.Vision, free: func() { c.residents.release(r) }}, nil
}

// makeVision loads the vision part of a source and settles its resident.
func (c *Catalog) makeVision(r *resident, s *source) {
	var v *infer.Vision
	var bytes int64
	err := device.Try("load "+r.key, func() (err error) {
		v, bytes, err = c.loadVision(c.ctx, s)
		return err
	})
	if err = c.unlessStopping(err); err != nil {
		c.log.Error("a vision part could not be loaded", "model", s.name, "error", err)
		c.residents.settle(r, nil, 0, err)
		return
	}
	c.log.Info("vision part ready", "model", s.name, "bytes", bytes)
	c.residents.settle(r, &infer.Model{Name: s.name, Vision: v}, bytes, nil)
}

// loadVision puts a source's vision part on the device, as its folder is now.
func (c *Catalog) loadVision(ctx context.Context, s *source) (*infer.Vision, int64, error) {
	folder, err := s.open()
	if err != nil {
		return nil, 0, s.damaged(err)
	}
	defer folder.Close()
	bytes, err := c.visionBytes(folder.Vision(), folder.Config(), folder.Tensors())
	if err != nil {
		return nil, 0, s.damaged(err)
	}
	if err := c.residents.memory.Reserve(bytes); err != nil {
		return nil, 0, within(err, "the vision part of %q has no room", s.name)
	}
	v, err := infer.LoadVision(ctx, c.dev, folder, dtypes.InvalidDType)
	if err != nil {
		c.residents.memory.Release(bytes)
		return nil, 0, s.damaged(err)
	}
	return v, bytes, nil
}

// visionBytes is the memory that a vision part takes on the device at most.
func (c *Catalog) visionBytes(v *checkpoint.VisionConfig, text checkpoint.Config, stored []checkpoint.TensorInfo) (bytes int64, err error) {
	if v == nil {
		return 0, nil
	}
	err = device.Try("measure a vision part", func() error {
		widest := infer.VisionDType(*v, text.HiddenSize, stored)
		if widest == dtypes.InvalidDType {
			return nil // to load it says what is missing
		}
		size := int64(c.dev.ComputeDType(widest).Size())
		for _, p := range arch.VisionParams(*v, text.HiddenSize) {
			n := size
			for _, d := range p.Shape {
				n *= int64(d)
			}
			bytes += n
		}
		return nil
	})
	return bytes, err
}

// visionRoom is the memory that the vision part of a recipe's model takes besides its
// weights.
func (c *Catalog) visionRoom(r merge.Recipe) (int64, error) {
	if r.Sees() == "" {
		return 0, nil
	}
	s, err := c.source(r.Sees())
	if err != nil {
		return 0, err
	}
	d, err := s.describe()
	if err != nil {
		return 0, err
	}
	return c.visionBytes(d.Vision, d.Config, d.Tensors)
}

// sees tells whether a source sees pictures, as far as its config.json can be read.
// It waits for nobody who is reading the source's weights.
func (c *Catalog) sees(f found) bool {
	c.mu.Lock()
	s := c.sources[f.name]
	c.mu.Unlock()
	if s != nil {
		if known := s.sight.Load(); known != nil {
			return known.vision != nil
		}
	}
	v, err := checkpoint.ReadVision(f.dir)
	return err == nil && v != nil
}

// sight is what a source's configuration says of its vision part.
type sight struct {
	vision *checkpoint.VisionConfig // nil: it has none
}

// readVision gives what the source's configuration says of its vision part; nil if
// it has none.
func (s *source) readVision() (*checkpoint.VisionConfig, error) {
	if known := s.sight.Load(); known != nil {
		return known.vision, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
	v, err := checkpoint.ReadVision(s.dir)
	if err != nil {
		return nil, s.damaged(err)
	}
	s.sight.Store(&sight{v})
	return v, nil
}

// recipeSees tells whether the model of a stored recipe does.
func recipeSees(stored store.Recipe) bool {
	var said struct {
		Vision string `json:"vision"`
	}
	return json.Unmarshal(stored.Body, &said) == nil && said.Vision != "" && said.Vision != merge.NoVision
}
