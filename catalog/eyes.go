package catalog

import (
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// Eyes are what a model makes of pictures before it sees them: as many tokens, of such
// tiles. No weights are needed for that.
type Eyes struct {
	config    checkpoint.VisionConfig
	processor *picture.Processor
}

// Config is what config.json says of the vision part.
func (e *Eyes) Config() checkpoint.VisionConfig { return e.config }

// Prepare makes a picture what the vision part sees.
func (e *Eyes) Prepare(p *picture.Picture) (*picture.Prepared, error) { return e.processor.Prepare(p) }

// eyes gives those of a model that a name stands for; nil if it sees nothing.
func (c *Catalog) eyes(what resolved) (*Eyes, error) {
	if !what.entry.Sees {
		return nil, nil
	}
	s := what.source
	if s == nil {
		r, err := ReadRecipe(*what.recipe)
		if err != nil {
			return nil, err
		}
		if s, err = c.source(r.Sees()); err != nil {
			return nil, err
		}
	}
	v, err := s.readVision()
	if err != nil || v == nil {
		return nil, err
	}
	p, err := picture.OpenProcessor(s.dir, v)
	if err != nil {
		return nil, s.damaged(err)
	}
	return &Eyes{*v, p}, nil
}
