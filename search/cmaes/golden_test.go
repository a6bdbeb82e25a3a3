package cmaes

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is one case of testdata/golden.json, made by
// scripts/fixtures/cmaes_golden.py.
type golden struct {
	Name        string
	Mean        []float64
	Sigma       float64
	Population  int
	Weights     []float64
	Constants   []float64
	Generations []struct {
		Xs        [][]float64
		Fitness   []float64
		Mean      []float64
		Sigma     float64
		PathSigma []float64 `json:"path_sigma"`
		PathC     []float64 `json:"path_c"`
		C         [][]float64
	}
}

func TestUpdatesAgreeWithThePythonPackage(t *testing.T) {
	const tolerance = 1e-9
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var cases []golden
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, g := range cases {
		t.Run(g.Name, func(t *testing.T) {
			x, err := New(Options{Mean: g.Mean, Sigma: g.Sigma, Population: g.Population})
			require.NoError(t, err)
			s := x.strategy
			assert.InDeltaSlice(t, g.Weights, s.weights, tolerance)
			assert.InDeltaSlice(t, g.Constants, []float64{s.muEff, s.cSigma, s.dSigma, s.cc, s.c1, s.cmu, s.chiN}, tolerance)
			for i, want := range g.Generations {
				require.NoError(t, x.Tell(want.Xs, want.Fitness))
				at := fmt.Sprintf("generation %d", i+1)
				assert.InDeltaSlice(t, want.Mean, x.mean, tolerance, at)
				assert.InDelta(t, want.Sigma, x.sigma, tolerance, at)
				assert.InDeltaSlice(t, want.PathSigma, x.pSigma, tolerance, at)
				assert.InDeltaSlice(t, want.PathC, x.pC, tolerance, at)
				for r, row := range want.C {
					for c, v := range row {
						assert.InDelta(t, v, x.shape.(*full).c.At(r, c), tolerance, "%s: C[%d,%d]", at, r, c)
					}
				}
			}
		})
	}
}
