package infer

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// NewStill makes an engine without its loop: a test gives it its turns.
func NewStill(dev *device.Device, o Options) *Engine {
	o = o.withDefaults()
	return newEngine(newDeviceComputer(dev, o.Memory), o)
}

// Turn is a turn of the loop.
func (e *Engine) Turn() { e.turn() }

// Stop ends what the engine holds.
func (e *Engine) Stop(err error) { e.shut(err) }

// See passes tiles through what sees and gives the states of each: so many together,
// or with 0 as many as the device likes.
func See(dev *device.Device, v *Vision, tiles [][]float32, together int) (all [][]float32, err error) {
	d := newDeviceComputer(dev, device.NewMemory(1<<30))
	defer d.close()
	if together == 0 {
		return d.see(v, tiles)
	}
	for some := range slices.Chunk(tiles, together) {
		states, err := d.seeTogether(v, some)
		if err != nil {
			return nil, err
		}
		all = append(all, states...)
	}
	return all, nil
}

// Newline is the state that ends a row of a picture.
func (v *Vision) Newline() []float32 { return v.newline }

// Words is a tokenizer of n words w0, w1, …; no word ends a reply.
func Words(t testing.TB, n int) *tokenizer.Tokenizer {
	t.Helper()
	vocab := map[string]int{}
	for i := range n {
		vocab[fmt.Sprintf("w%d", i)] = i
	}
	data, err := json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": []any{}, "pre_tokenizer": map[string]any{"type": "Whitespace"},
		"model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
	})
	require.NoError(t, err)
	tok, err := tokenizer.FromBytes(data)
	require.NoError(t, err)
	return tok
}

// VisionOf is a vision part of these tensors, in the order of arch.VisionParams.
func VisionOf(c checkpoint.VisionConfig, width int, all []*tensors.Tensor) *Vision {
	return &Vision{id: "arbitrary", config: c, width: width, all: all, newline: make([]float32, width)}
}
