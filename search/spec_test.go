package search

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

const smallest = `{"task":"sums","base":"base","sources":["ja"]}`

func TestParseSpecFillsInDefaults(t *testing.T) {
	spec, err := ParseSpec([]byte(smallest))
	require.NoError(t, err)
	assert.Equal(t, Spec{
		Name: "sums", Task: "sums", Base: "base", Sources: []string{"ja"},
		Method: merge.TaskArithmetic, Groups: merge.Halves, WeightRange: Range{0, 1.5},
		Optimizer: OptimizerSpec{Name: CMAES, Options: OptimizerOptions{Covariance: "full"}},
		Sigma:     1.0 / 6, Fitness: Accuracy, Trials: 200, Minutes: 60, ValidateTop: 10,
	}, spec)

	spec, err = ParseSpec([]byte(`{"task":"sums","base":"base","sources":["ja"],"method":"dare_ties","start":{"method":"linear","sources":[{"model":"ja","weight":1}]}}`))
	require.NoError(t, err)
	assert.Equal(t, Range{0.1, 1}, spec.DensityRange)
	assert.Equal(t, merge.Numbers(1), spec.Start.Sources[0].Weight)
}

func TestSpecsRoundTrip(t *testing.T) {
	spec, err := ParseSpec([]byte(`{
		"name":"n","task":"sums","base":"base","sources":["ja","math"],"method":"ties","groups":"blocks",
		"weight_range":[-1,2],"density_range":[0.5,0.9],"shared_density":true,"normalize":true,"dtype":"float32",
		"start":{"method":"linear","sources":[{"model":"ja","weight":1}]},
		"optimizer":{"name":"cma_es","options":{"restarts":"bipop","max_restarts":3,"levels":[5,0,7]}},
		"population":8,"sigma":0.3,"seed":18446744073709551615,"fitness":"shaped","sample_size":20,
		"tokenizer":{"source":"union","tokens":{"<x>":{"source":"ja"},"<y>":{"source":{"kind":"zero"},"force":true}}},
		"trials":100,"minutes":0.5,"validate_top":3,"alias":"winner"}`))
	require.NoError(t, err)
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	again, err := ParseSpec(data)
	require.NoError(t, err)
	assert.Equal(t, spec, again)
	assert.Equal(t, uint64(math.MaxUint64), spec.Seed)
	assert.Same(t, spec.Tokenizer, spec.example().Tokenizer, "every candidate has it")
	assert.Same(t, spec.Tokenizer, spec.average().Tokenizer, "and what it is held against")
}

func TestBadSpecsNameTheFieldAtFault(t *testing.T) {
	with := func(field, value string) string {
		return strings.TrimSuffix(smallest, "}") + `,"` + field + `":` + value + "}"
	}
	for name, c := range map[string]struct{ json, param string }{
		"no JSON":                 {"{", ""},
		"a list":                  {"[]", ""},
		"two objects":             {smallest + "{}", ""},
		"unknown field":           {with("populaton", "8"), "populaton"},
		"wrong type":              {with("trials", `"many"`), "trials"},
		"range of two types":      {with("weight_range", `[0,"1"]`), "weight_range"},
		"no task":                 {`{"base":"base","sources":["ja"]}`, "task"},
		"no base":                 {`{"task":"sums","sources":["ja"]}`, "base"},
		"no sources":              {`{"task":"sums","base":"base"}`, "sources"},
		"base as source":          {`{"task":"sums","base":"ja","sources":["ja"]}`, "sources[0]"},
		"source twice":            {`{"task":"sums","base":"base","sources":["ja","ja"]}`, "sources[1]"},
		"unsafe source":           {`{"task":"sums","base":"base","sources":["../ja"]}`, "sources[0]"},
		"unsafe base":             {`{"task":"sums","base":"../b","sources":["ja"]}`, "base"},
		"too many sources":        {`{"task":"sums","base":"base","sources":[` + strings.Repeat(`"s",`, merge.MaxSources) + `"s"]}`, "sources"},
		"not a number":            {with("sigma", "NaN"), ""},
		"number out of range":     {with("sigma", "1e999"), "sigma"},
		"half a trial":            {with("trials", "1.5"), "trials"},
		"range of one number":     {with("weight_range", "[-1]"), "weight_range"},
		"range of three numbers":  {with("weight_range", "[0,1,2]"), "weight_range"},
		"range of nothing":        {with("density_range", "[null,1]"), "density_range"},
		"empty range":             {with("weight_range", "[]"), "weight_range"},
		"unsafe name":             {with("name", `"a b"`), "name"},
		"unsafe alias":            {with("alias", `"../x"`), "alias"},
		"alias of a source":       {with("alias", `"ja"`), "alias"},
		"unknown method":          {with("method", `"alchemy"`), "method"},
		"method without weights":  {with("method", `"model_stock"`), "method"},
		"unknown groups":          {with("groups", `"thirds"`), "groups"},
		"unknown dtype":           {with("dtype", `"int8"`), "dtype"},
		"unknown fitness":         {with("fitness", `"luck"`), "fitness"},
		"rescale without a use":   {with("rescale", `"l1"`), "rescale"},
		"weights upside down":     {with("weight_range", "[1,0]"), "weight_range"},
		"densities without a use": {with("density_range", "[0.5,1]"), "density_range"},
		"negative trials":         {with("trials", "-1"), "trials"},
		"endless trials":          {with("trials", "1000000"), "trials"},
		"negative minutes":        {with("minutes", "-1"), "minutes"},
		"endless minutes":         {with("minutes", "1e9"), "minutes"},
		"population of one":       {with("population", "1"), "population"},
		"negative population":     {with("population", "-8"), "population"},
		"huge population":         {with("population", "100000"), "population"},
		"huge sigma":              {with("sigma", "2"), "sigma"},
		"negative sample":         {with("sample_size", "-1"), "sample_size"},
		"too many to validate":    {with("validate_top", "1000"), "validate_top"},
		"negative seed":           {with("seed", "-1"), "seed"},
		"bad start":               {with("start", `{"method":"linear","sources":[]}`), "start.sources"},
		"unknown field in start":  {with("start", `{"method":"linear","weight":1}`), "start.weight"},
		"unknown tokenizer":       {with("tokenizer", `{"source":"nobody"}`), "tokenizer.source"},
		"row of nobody":           {with("tokenizer", `{"tokens":{"a":{"source":"nobody"}}}`), "tokenizer.tokens.a.source"},
		"density zero":            {`{"task":"sums","base":"base","sources":["ja"],"method":"ties","density_range":[0,1]}`, "density_range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSpec([]byte(c.json))
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			var e *fault.Error
			require.True(t, errors.As(err, &e))
			assert.Equal(t, c.param, e.Param, err.Error())
		})
	}
	_, err := ParseSpec(make([]byte, MaxSpecBytes+1))
	assert.Equal(t, fault.TooLarge, fault.CodeOf(err))
}
