package catalog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

func TestFitNamesAllThatIsMissing(t *testing.T) {
	w := newWorld(t)
	r := blend(1, 1)
	r.Sources[0].Model, r.Sources[1].Model = "nobody", "nothing"
	_, err := w.Fit(t.Context(), r)
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
	require.ErrorContains(t, err, `there are no source models "nobody", "nothing" to merge`)
	r.Sources[0].Model = "a"
	_, err = w.Fit(t.Context(), r)
	require.ErrorContains(t, err, `there is no source model "nothing" to merge`)
}

func TestFitLooksIntoTheFiles(t *testing.T) {
	w := newWorld(t)
	config, err := w.Fit(t.Context(), blend(1, 1))
	require.NoError(t, err)
	assert.Equal(t, tinyConfig(), config)

	tied := tinyConfig() // its files have no head
	tied.TieWordEmbeddings = true
	writeModel(t, w.path("a"), tied, 5)
	honest, err := tinyConfig().JSON()
	require.NoError(t, err)
	writeFile(t, w.path("a", checkpoint.ConfigFile), honest)
	more := tinyConfig()
	more.VocabSize = 40
	writeModel(t, w.path("b"), more, 6)
	writeTokenizer(t, w.path("b"), 33)
	w.restart()
	_, err = w.Fit(t.Context(), blend(1, 1))
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
	var m *merge.Misfit
	require.ErrorAs(t, err, &m)
	require.Len(t, m.Problems, 2, "%v", m)
	assert.Equal(t, `"a" has no tensor lm_head.weight, which its config asks for`, m.Problems[0].Message)
	assert.Contains(t, m.Problems[1].Message, `vocab_size of "b" is 40, of "base" 24; "b" has 33 tokens, and 7 rows to spare; "base" has 24 tokens; with "tokenizer"`)

	require.NoError(t, os.WriteFile(filepath.Join(w.path("a"), checkpoint.WeightsFile), []byte("short"), 0o644))
	_, err = w.Fit(t.Context(), blend(1, 1))
	assert.Equal(t, fault.Unfit, fault.CodeOf(err), "what was read of a folder is kept until it is loaded")
	w.restart()
	_, err = w.Fit(t.Context(), blend(1, 1))
	assert.Equal(t, fault.Damaged, fault.CodeOf(err))
}
