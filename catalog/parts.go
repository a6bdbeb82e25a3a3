package catalog

import (
	"context"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
)

// parts are the models of a recipe while it is merged: held on the device where
// they lie there, else read from their folders as they are merged.
type parts struct {
	models    map[string]merge.Model
	streamed  []*source            // that are read
	tokenizer *tokenizer.Tokenizer // the parent's
	template  *chat.Template
	feed      int64 // bytes on the device of a unit of all that are read
	held      int   // sources on the device
	closers   []func()
}

// close lets go of them.
func (p *parts) close() {
	for _, f := range p.closers {
		f()
	}
	p.closers = nil
}

// add takes in a leased model.
func (p *parts) add(name string, lease *Lease) {
	p.models[name] = lease.Model.Weights
	p.held++
	p.closers = append(p.closers, lease.Release)
}

// openParts gives the models of a recipe, loading none. Those that are on the
// device are used there if hold says so. What its inputs make lies nowhere else:
// it is made.
func (c *Catalog) openParts(ctx context.Context, r merge.Recipe, hold bool) (_ *parts, err error) {
	p := &parts{models: map[string]merge.Model{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	units := map[string]int64{}
	for _, name := range partsOf(r) {
		if _, made := r.Inputs[name]; made {
			lease, err := c.acquirePart(ctx, r, name)
			if err != nil {
				return nil, err
			}
			p.models[name] = lease.Model.Weights
			p.closers = append(p.closers, lease.Release)
			if name == r.Parent() {
				p.tokenizer, p.template = lease.Model.Tokenizer, lease.Model.Template
			}
			continue
		}
		s, err := c.source(name)
		if err != nil {
			return nil, err
		}
		if name == r.Parent() {
			if p.tokenizer, p.template, err = s.readWords(); err != nil {
				return nil, err
			}
		}
		if held := c.residents.holdReady(name); held != nil {
			if hold {
				p.add(name, &Lease{Model: held.model, release: func() { c.residents.release(held) }})
				continue
			}
			c.residents.release(held)
		}
		stored, folder, err := c.openStored(s)
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, func() { _ = folder.Close() })
		p.models[name] = stored
		p.streamed = append(p.streamed, s)
		units[name] = merge.UnitBytes(stored.Config(), stored.DType())
	}
	p.feed = r.Fed(units)
	return p, nil
}

// openStored opens a source to be read as its folder is now.
func (c *Catalog) openStored(s *source) (*infer.Stored, *checkpoint.Folder, error) {
	s.look()
	folder, err := s.open()
	if err != nil {
		return nil, nil, s.damaged(err)
	}
	stored, err := infer.NewStored(c.dev, folder, dtypes.InvalidDType)
	if err != nil {
		_ = folder.Close()
		return nil, nil, s.damaged(err)
	}
	return stored, folder, nil
}

// allFit tells whether the budget could hold the models of a recipe and the merged
// one, if nothing else were there.
func (c *Catalog) allFit(r merge.Recipe) (bool, error) {
	var need int64
	configs := map[string]checkpoint.Config{}
	var held dtypes.DType // of the parent, and so of the merged model
	for _, name := range r.Models() {
		config, dtype, err := c.shapeOfPart(r, name)
		if err != nil {
			return false, err
		}
		if configs[name] = config; name == r.Parent() {
			held = dtype
		}
		need += weightBytes(config, dtype)
	}
	need += mergedBytes(r, held, configs) + alignedBytes(r, configs)
	room, err := c.visionRoom(r)
	if err != nil {
		return false, err
	}
	need += room
	total, _ := c.residents.memory.Usage()
	return need <= total, nil
}

// shapeOfPart is what one of a recipe's models is on the device: a source, or what
// an input makes, which is held in the dtype of its parent.
func (c *Catalog) shapeOfPart(r merge.Recipe, name string) (checkpoint.Config, dtypes.DType, error) {
	in, ok := r.Inputs[name]
	if !ok {
		s, err := c.source(name)
		if err != nil {
			return checkpoint.Config{}, 0, err
		}
		return c.shapeOf(s)
	}
	configs := map[string]checkpoint.Config{}
	var held dtypes.DType
	for _, name := range in.Models() {
		config, dtype, err := c.shapeOfPart(in, name)
		if err != nil {
			return checkpoint.Config{}, 0, err
		}
		if configs[name] = config; name == in.Parent() {
			held = dtype
		}
	}
	return in.Config(configs), held, nil
}

// shapeOf is what a source's weights are on the device, whether they are there or
// not.
func (c *Catalog) shapeOf(s *source) (checkpoint.Config, dtypes.DType, error) {
	if m := c.residents.ready(s.name); m != nil {
		return m.Weights.Config(), m.Weights.DType(), nil
	}
	config, err := s.readConfig()
	if err != nil {
		return config, dtypes.InvalidDType, err
	}
	tensors, err := s.readTensors()
	if err != nil {
		return config, dtypes.InvalidDType, err
	}
	return config, c.dev.ComputeDType(infer.WidestDType(config, tensors)), nil
}
