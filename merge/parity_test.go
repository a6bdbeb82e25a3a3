package merge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parity is testdata/mergekit_parity.json, made by mergekit 0.1.5 through
// scripts/fixtures/mergekit_parity.py, on toys.
type parity struct {
	Models map[string]string
	Merges []struct {
		Name   string
		Recipe json.RawMessage
		Merged string
	}
	Statistics map[Method]struct {
		Density             float64
		Draws               int
		Kept, Norm, Average struct{ Mean, Deviation float64 }
	}
}

// readParity reads the file and its models.
func readParity(t *testing.T) (parity, map[string][][]float32) {
	data, err := os.ReadFile("testdata/mergekit_parity.json")
	require.NoError(t, err)
	var p parity
	require.NoError(t, json.Unmarshal(data, &p))
	models := make(map[string][][]float32)
	for name, packed := range p.Models {
		models[name] = unpack(t, packed)
	}
	return p, models
}

// unpack reads a toy: base64 of little-endian float32.
func unpack(t *testing.T, packed string) [][]float32 {
	data, err := base64.StdEncoding.DecodeString(packed)
	require.NoError(t, err)
	model := make([][]float32, len(toyShapes))
	for i, shape := range toyShapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		model[i] = make([]float32, n)
		for e := range model[i] {
			model[i][e] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
	}
	require.Empty(t, data)
	return model
}

// assertParity compares a tensor with mergekit's, which rounds to float32 after every
// step, and we once. So an entry is mergekit's to within a unit in the last place, or it
// is what the formula gives, rounded, and mergekit's is further from that.
func assertParity(t *testing.T, tensor string, exact []float64, theirs, ours []float32) {
	t.Helper()
	require.Len(t, ours, len(theirs), tensor)
	for e, got := range ours {
		if math.Abs(float64(got)-float64(theirs[e])) <= unitOf(theirs[e]) {
			continue
		}
		assert.InDelta(t, exact[e], got, roundingOf(got), "%s entry %d: mergekit has %v", tensor, e, theirs[e])
		assert.GreaterOrEqual(t, math.Abs(float64(theirs[e])-exact[e]), math.Abs(float64(got)-exact[e]), "%s entry %d", tensor, e)
	}
}

func TestAgreesWithMergekit(t *testing.T) {
	x := sharedExecutor(t)
	p, models := readParity(t)
	for _, m := range p.Merges {
		t.Run(m.Name, func(t *testing.T) {
			r, err := ParseRecipe(m.Recipe)
			require.NoError(t, err)
			got := runJob(t, x, toyJob(t, r, models))
			r = r.normal()
			for i, theirs := range unpack(t, m.Merged) {
				if methods[r.Method].sparsify == outliers && len(theirs) == 1 {
					continue // where mergekit keeps int(density·1) entries, which is none, and we one
				}
				assertParity(t, fmt.Sprintf("tensor %d", i), toyByHand(r, models, i), theirs, got[i])
			}
		})
	}
}

// roundingOf is how far a number that was rounded once can be from the exact one: half
// a unit in the last place, and where numbers around one cancel out, a hundredth of
// the unit of those: what is measured of a difference (norms, sizes) is measured of
// its float32.
func roundingOf(v float32) float64 { return 0.501*unitOf(v) + 0.01*unitOf(1) }

// unitOf is the unit in the last place of a number.
func unitOf(v float32) float64 {
	size := float32(math.Abs(float64(v)))
	return float64(math.Nextafter32(size, math.MaxFloat32)) - float64(size)
}

// What can't be compared entry by entry, the draw itself, is compared with the
// draws that mergekit makes with torch's generator: how many entries are kept,
// how that varies, and what becomes of the difference's norm and average.
func TestDrawsAreLikeMergekits(t *testing.T) {
	x := sharedExecutor(t)
	p, models := readParity(t)
	for i := range models["base"] {
		for e := range models["base"][i] {
			models["x"][i][e] -= models["base"][i][e]
			models["base"][i][e] = 0
		}
	}
	for method, want := range p.Statistics {
		r := NewRecipe(method)
		r.Base, r.DType, r.Rescale = "base", "float32", RescaleL1
		r.Sources = []Source{{Model: "x", Weight: Numbers(1), Density: Numbers(want.Density)}}
		if method == DELLALinear {
			r.Sources[0].Parameters = Parameters{"epsilon": Numbers(0.25)}
		}
		j := toyJob(t, r, models)
		j.units = j.units[:1]
		var kept, norm, average []float64
		for seed := range want.Draws {
			j.parts[0].recipe.Seed = uint64(seed)
			var n, squares, sum float64
			delta := runJob(t, x, j)[0]
			for _, v := range delta {
				if v != 0 {
					n++
				}
				squares += float64(v) * float64(v)
				sum += float64(v)
			}
			kept, norm, average = append(kept, n), append(norm, math.Sqrt(squares)), append(average, sum/float64(len(delta)))
		}
		assertAlike(t, "entries kept", want.Kept.Mean, want.Kept.Deviation, kept)
		assertAlike(t, "norm of the difference", want.Norm.Mean, want.Norm.Deviation, norm)
		assertAlike(t, "average of the difference", want.Average.Mean, want.Average.Deviation, average)
	}
}

// assertAlike compares the mean and the deviation of two equally large samples,
// to within four standard errors of their difference.
func assertAlike(t *testing.T, what string, mean, deviation float64, sample []float64) {
	t.Helper()
	n := float64(len(sample))
	var sum, squares float64
	for _, v := range sample {
		sum += v
	}
	for _, v := range sample {
		squares += (v - sum/n) * (v - sum/n)
	}
	assert.InDelta(t, mean, sum/n, 4*deviation*math.Sqrt(2/n), what)
	assert.InDelta(t, deviation, math.Sqrt(squares/n), 4*deviation/math.Sqrt(n), "deviation of "+what)
}
