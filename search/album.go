package search

import (
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/lru"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/search/task"
)

// DefaultPictureBytes is how much a CatalogLab keeps of the pictures of tasks, as
// models see them.
const DefaultPictureBytes = 512 << 20

// sight prepares pictures for a model that sees: an infer.Vision does.
type sight interface {
	ID() string
	Config() checkpoint.VisionConfig
	Prepare(p *picture.Picture) (*picture.Prepared, error)
}

// sightOf is that of a model; nil if it reads text alone.
func sightOf(m *infer.Model) sight {
	if m.Vision == nil {
		return nil
	}
	return m.Vision
}

// album decodes and prepares the pictures of tasks, and keeps them: a search asks
// about the same ones again and again, and its candidates have one vision part.
type album struct {
	kept *lru.Cache[pictureKey, *picture.Prepared]
}

// pictureKey is a picture for a vision part.
type pictureKey struct {
	picture [32]byte
	vision  string
}

func newAlbum(bytes int) album {
	return album{lru.NewWeighed[pictureKey](bytes, preparedBytes)}
}

// preparedBytes is the memory that a prepared picture takes.
func preparedBytes(p *picture.Prepared) int { return 4*len(p.Order) + p.TileBytes() }

// prepare gives the pictures that a problem shows, as a model sees them.
func (a album) prepare(s sight, t *task.Task, p task.Problem) ([]*picture.Prepared, error) {
	var all []*picture.Prepared
	for _, shown := range t.Pictures(p) {
		prepared, err := a.kept.Get(pictureKey{shown.Hash, s.ID()}, func() (*picture.Prepared, error) {
			decoded, err := picture.Decode(shown.Data, picture.DefaultLimits())
			if err != nil {
				return nil, err
			}
			return s.Prepare(decoded)
		})
		if err != nil {
			return nil, fault.Wrap(err, fault.CodeOf(err), "picture %s", shown.Name)
		}
		all = append(all, prepared)
	}
	return all, nil
}
