package picture

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Prepared is a picture as a model wants it.
type Prepared struct {
	Hash  [32]byte    // of the picture and the preparation: the same only if all of this is
	Tiles [][]float32 // each [3, S, S], normalised; tile 0 shows the whole picture

	// Order has an entry for each token that the picture is in a prompt: tile·P + patch,
	// an index into the P features of each of the tiles in turn, or -1 for the
	// model's image_newline.
	Order []int32
}

// Tokens is how many tokens of a prompt the picture is.
func (p *Prepared) Tokens() int { return len(p.Order) }

// TileBytes is the memory that the tiles take.
func (p *Prepared) TileBytes() (bytes int) {
	for _, tile := range p.Tiles {
		bytes += 4 * len(tile)
	}
	return bytes
}

// Processor prepares pictures for one model. It is safe for concurrent use.
type Processor struct {
	config   config
	side     int // of a tile, in pixels
	patches  int // of a tile, in each direction
	features int // of a tile
	levels   [3][256]float32
	id       [32]byte
}

// OpenProcessor reads how the model in a folder wants its pictures: from
// preprocessor_config.json, or processor_config.json where that has image_processor.
// v is the vision part of the same model.
func OpenProcessor(dir string, v *checkpoint.VisionConfig) (*Processor, error) {
	if v.PatchSize < 1 || v.ImageSize < v.PatchSize || v.ImageSize > maxTileSide {
		return nil, fault.Bad("vision_config", "config.json: an image_size of %d with a patch_size of %d is not supported", v.ImageSize, v.PatchSize)
	}
	c, err := readConfig(dir, v.ModelType)
	if err != nil {
		return nil, err
	}
	return newProcessor(c, v)
}

func newProcessor(c config, v *checkpoint.VisionConfig) (*Processor, error) {
	p := &Processor{config: c, side: v.ImageSize, patches: v.ImageSize / v.PatchSize}
	p.features = p.patches * p.patches
	var err error
	if c.kind == "llava_next" {
		err = p.fitTiles(v)
	} else {
		err = p.fitSquare(v)
	}
	if err != nil {
		return nil, err
	}
	if err := p.fillLevels(); err != nil {
		return nil, err
	}
	// The version changes with what is done to a picture beyond what the config says.
	p.id = sha256.Sum256(fmt.Appendf(nil, "version 1: %s %d %d %d %t %d %v %t %v %d %v %t %v", c.kind, p.side, p.patches,
		p.features, c.doResize, c.shortest, c.size, c.doCenterCrop, c.crop, c.filterNumber, p.levels, c.doPad, c.pinpoints))
	return p, nil
}

// fitSquare checks that a picture becomes one square of the tower's size.
func (p *Processor) fitSquare(v *checkpoint.VisionConfig) error {
	if v.KeepClass {
		p.features++
	}
	c, want := p.config, extent{p.side, p.side}
	switch {
	case !c.doResize:
		return unsupported("do_resize", false)
	case c.doCenterCrop && c.crop != want:
		return p.misfit("crop_size", c.crop)
	case c.doCenterCrop && (c.shortest != 0 && c.shortest < p.side || c.shortest == 0 && (c.size.height < p.side || c.size.width < p.side)):
		return p.misfit("size", max(c.shortest, min(c.size.height, c.size.width)))
	case !c.doCenterCrop && c.shortest != 0 && !p.squares():
		return unsupported("do_center_crop", false)
	case !c.doCenterCrop && c.shortest != 0 && c.shortest != p.side, !c.doCenterCrop && c.shortest == 0 && c.size != want:
		return p.misfit("size", max(c.shortest, c.size.height))
	}
	return nil
}

// fitTiles checks that a picture becomes squares of the tower's size.
func (p *Processor) fitTiles(v *checkpoint.VisionConfig) error {
	c, want := p.config, extent{p.side, p.side}
	switch {
	case v.KeepClass:
		return fault.Bad("vision_feature_select_strategy", "config.json: vision_feature_select_strategy = full is not supported with tiles")
	case c.crop != want: // it also says how large a tile is
		return p.misfit("crop_size", c.crop)
	case c.shortest != 0 && c.shortest != p.side, c.shortest == 0 && c.size != want:
		return p.misfit("size", max(c.shortest, c.size.height))
	case len(v.GridPinpoints) > 0 && !slices.Equal(v.GridPinpoints, c.pinpoints):
		return fault.Bad("image_grid_pinpoints", "image_grid_pinpoints is not the same in config.json and in the image processor's config")
	}
	for _, g := range c.pinpoints {
		if g[0] < p.side || g[1] < p.side || g[0]%p.side != 0 || g[1]%p.side != 0 || g[0]/p.side > maxTiles/(g[1]/p.side) {
			return fault.Bad("image_grid_pinpoints", "the image processor's config: image_grid_pinpoints has %v, which is not 1..%d whole tiles of %d",
				g, maxTiles, p.side)
		}
	}
	return nil
}

func (p *Processor) misfit(key string, value any) error {
	return fault.Bad(key, "the image processor's config: %s = %v does not fit the model's image_size of %d", key, value, p.side)
}

// squares says that pictures are padded to squares before anything else. CLIP's
// processor pads as well, but afterwards, to the size of a batch of one.
func (p *Processor) squares() bool { return p.config.kind == "llava" && p.config.doPad }

// fillLevels computes what becomes of each level of each colour, in the precision
// that transformers has at each step.
func (p *Processor) fillLevels() error {
	c := p.config
	for i := range p.levels {
		for level := range p.levels[i] {
			v := float32(float64(level) * c.factor)
			if c.doNormalize {
				v = (v - float32(c.mean[i])) / float32(c.std[i])
			}
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return unsupported("image_std", c.std[i])
			}
			p.levels[i][level] = v
		}
	}
	return nil
}

// Tokens is how many tokens a picture of this size becomes. Both are at least 1.
func (p *Processor) Tokens(width, height int) int {
	if p.config.kind != "llava_next" {
		return p.features
	}
	return anyresTokens(width, height, p.patches, p.grid(width, height))
}

// MaxTokens is the most that a picture of any size becomes.
func (p *Processor) MaxTokens() int {
	most := p.features
	for _, g := range p.config.pinpoints {
		down, over := g[0]/p.side*p.patches, g[1]/p.side*p.patches
		most = max(most, p.features+down*(over+1))
	}
	return most
}

// grid is how many tiles a picture of this size is cut into, down and across.
func (p *Processor) grid(width, height int) [2]int {
	g := bestGrid(width, height, p.config.pinpoints)
	return [2]int{g[0] / p.side, g[1] / p.side}
}

// Prepare resizes, cuts and normalises a picture.
func (p *Processor) Prepare(pic *Picture) (*Prepared, error) {
	if pic == nil || pic.Width < 1 || pic.Height < 1 || len(pic.pixels) != 3*pic.Width*pic.Height {
		return nil, fault.New(fault.Invalid, "there is no picture to prepare")
	}
	ready := &Prepared{Hash: sha256.Sum256(append(slices.Clone(p.id[:]), pic.Hash[:]...))}
	if p.config.kind == "llava_next" {
		ready.Tiles = p.tiles(pic)
		ready.Order = anyresOrder(pic.Width, pic.Height, p.patches, p.grid(pic.Width, pic.Height))
		return ready, nil
	}
	ready.Tiles = [][]float32{p.normalize(p.square(pic), p.side, 0, 0)}
	for i := range p.features {
		ready.Order = append(ready.Order, int32(i))
	}
	return ready, nil
}

// tiles are the whole picture, out of shape, and what it is cut into after it was
// fitted into the grid, with black beside it (transformers' LlavaNextImageProcessorPil).
func (p *Processor) tiles(pic *Picture) [][]float32 {
	f := p.config.filter
	whole := resize(pic.pixels, pic.Width, pic.Height, p.side, p.side, f)
	all := [][]float32{p.normalize(whole, p.side, 0, 0)}
	grid := bestGrid(pic.Width, pic.Height, p.config.pinpoints)
	width, height := fitWithin(pic.Width, pic.Height, grid)
	fitted := resize(pic.pixels, pic.Width, pic.Height, width, height, f)
	padded := make([]byte, 3*grid[0]*grid[1])
	left, top := (grid[1]-width)/2, (grid[0]-height)/2
	for y := range height {
		copy(padded[3*((top+y)*grid[1]+left):], fitted[3*y*width:][:3*width])
	}
	for y := 0; y < grid[0]; y += p.side {
		for x := 0; x < grid[1]; x += p.side {
			all = append(all, p.normalize(padded, grid[1], x, y))
		}
	}
	return all
}

// square makes a picture one square: padded where the config says so, then resized
// and cropped (transformers' CLIPImageProcessorPil and LlavaImageProcessorPil).
func (p *Processor) square(pic *Picture) []byte {
	c := p.config
	pixels, width, height := pic.pixels, pic.Width, pic.Height
	if p.squares() {
		pixels = p.padToSquare(pixels, width, height)
		width = max(width, height)
		height = width
	}
	to := c.size
	if c.shortest != 0 {
		if width <= height {
			to = extent{c.shortest * height / width, c.shortest}
		} else {
			to = extent{c.shortest, c.shortest * width / height}
		}
	}
	return resizeWindow(pixels, width, height, to, window{(to.width - p.side) / 2, (to.height - p.side) / 2, p.side, p.side}, c.filter)
}

// padToSquare puts a picture in the middle of a square of the mean colour.
func (p *Processor) padToSquare(pixels []byte, width, height int) []byte {
	if width == height {
		return pixels
	}
	side := max(width, height)
	var background [3]byte
	for i, m := range p.config.mean {
		background[i] = byte(int(m * 255))
	}
	padded := make([]byte, 3*side*side)
	for i := 0; i < len(padded); i += 3 {
		copy(padded[i:], background[:])
	}
	left, top := (side-width)/2, (side-height)/2
	for y := range height {
		copy(padded[3*((top+y)*side+left):], pixels[3*y*width:][:3*width])
	}
	return padded
}

// normalize makes a tile of the square of pixels that begins at x, y: [3, S, S].
func (p *Processor) normalize(pixels []byte, width, x, y int) []float32 {
	plane := p.side * p.side
	tile := make([]float32, 3*plane)
	red, green, blue := tile[:plane], tile[plane:2*plane], tile[2*plane:]
	for row := range p.side {
		from := pixels[3*((y+row)*width+x):][:3*p.side]
		at := row * p.side
		for i := range p.side {
			red[at+i] = p.levels[0][from[3*i]]
			green[at+i] = p.levels[1][from[3*i+1]]
			blue[at+i] = p.levels[2][from[3*i+2]]
		}
	}
	return tile
}
