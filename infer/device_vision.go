package infer

import (
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
)

// tilesTogether is how many tiles an accelerator passes through a tower together. On a
// CPU one has rows enough, and what is seen in it then depends on no other.
const tilesTogether = 8

// see gives the states [P·D] of each of the tiles [3·S·S].
func (d *deviceComputer) see(v *Vision, tiles [][]float32) ([][]float32, error) {
	together := tilesTogether
	if d.dev.IsCPU() {
		together = 1
	}
	var all [][]float32
	for some := range slices.Chunk(tiles, together) {
		states, err := d.seeTogether(v, some)
		if err != nil {
			return nil, err
		}
		all = append(all, states...)
	}
	return all, nil
}

// seeTogether does so in one pass. The tiles are brought to a bucket by empty ones.
func (d *deviceComputer) seeTogether(v *Vision, tiles [][]float32) ([][]float32, error) {
	exec, err := d.programs.see(v.config, v.width)
	if err != nil {
		return nil, err
	}
	n, side := promptBucket(len(tiles)), v.config.ImageSize
	size := 3 * side * side
	flat := make([]float32, n*size)
	for i, tile := range tiles {
		if len(tile) != size {
			return nil, fault.New(fault.Invalid, "a tile of %d numbers was prepared for another model: this one's have %d", len(tile), size)
		}
		copy(flat[i*size:], tile)
	}
	pixels := tensors.FromFlatDataAndDimensions(flat, n, 3, side, side)
	defer device.Free(pixels)
	out, err := exec.Call(append(asArgs(v.all), pixels)...)
	if err != nil {
		return nil, err
	}
	defer device.Free(out...)
	states, err := tensors.CopyFlatData[float32](out[0])
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(states, len(states)/n))[:len(tiles)], nil
}

// newline gives the state [D] that stands between rows of a picture.
func (d *deviceComputer) newline(v *Vision) ([]float32, error) { return v.newline, nil }
