package merge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// vocabularyFixture is what mergekit makes of models whose tokenizers differ, see
// scripts/fixtures/mergekit_vocabulary.py.
type vocabularyFixture struct {
	Hidden int
	Models map[string]struct {
		Rows      int
		Tokenizer json.RawMessage
		Tensors   map[string]string
	}
	Merges []struct {
		Name, YAML string
		Rows       int
		Tokens     map[string]int32
		Added      []tokenizer.AddedToken
		Tensors    map[string]string
	}
}

// unpackFloats reads float32 numbers from base64.
func unpackFloats(t testing.TB, text string) []float32 {
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values
}

func TestVocabulariesAreMergedAsByMergekit(t *testing.T) {
	data, err := os.ReadFile("testdata/mergekit_vocabulary.json")
	require.NoError(t, err)
	var f vocabularyFixture
	require.NoError(t, json.Unmarshal(data, &f))
	x := newExecutor(t)
	models, described := map[string]*infer.Weights{}, map[string]Described{}
	for name, m := range f.Models {
		c := checkpoint.Config{
			ModelType: "llama", VocabSize: m.Rows, HiddenSize: f.Hidden, IntermediateSize: f.Hidden, NumHiddenLayers: 1, NumAttentionHeads: 2,
			NumKeyValueHeads: 1, HeadDim: f.Hidden / 2, MaxPositionEmbeddings: 64, RMSNormEps: 1e-6, RopeTheta: 10000, HiddenAct: "silu",
			DType: dtypes.Float32, BOSTokenID: 1, EOSTokenIDs: []int{2},
		}
		v, err := tokenizer.ParseVocabulary(m.Tokenizer)
		require.NoError(t, err)
		described[name] = Described{Config: c, Vocabulary: v}
		var all []*tensors.Tensor
		for _, p := range arch.Params(c) {
			all = append(all, tensors.FromFlatDataAndDimensions(unpackFloats(t, m.Tensors[p.Name]), p.Shape...))
		}
		models[name], err = infer.NewWeights(c, devicetest.Open(t), all)
		require.NoError(t, err)
		t.Cleanup(models[name].Free)
	}
	for _, c := range f.Merges {
		t.Run(c.Name, func(t *testing.T) {
			d, err := ParseYAML([]byte(c.YAML))
			require.NoError(t, err)
			r := d.Recipe
			require.NoError(t, Fit(r, described))
			r.Vocabulary, err = NewVocabulary(r, described)
			require.NoError(t, err)
			require.Equal(t, c.Rows, r.Vocabulary.Rows)
			require.Equal(t, len(c.Tokens), r.Vocabulary.Tokens.Len())
			for token, want := range c.Tokens {
				id, ok := r.Vocabulary.Tokens.ID(token)
				require.True(t, ok, token)
				require.Equal(t, want, id, token)
			}
			require.Equal(t, c.Added, r.Vocabulary.Tokens.Added())

			w, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer w.Free()
			require.Equal(t, c.Rows, w.Config().VocabSize)
			inOrder := map[string]*infer.Weights{}
			for name := range models {
				inOrder[name] = models[name]
				if slices.Contains(r.Models(), name) {
					inOrder[name] = aligned(t, r.Vocabulary, models, name)
				}
			}
			exact := modelByHand(t, r, w.Config(), inOrder)
			for name, packed := range c.Tensors {
				got, err := tensors.CopyFlatData[float32](w.Tensor(name))
				require.NoError(t, err)
				assertParity(t, name, exact[name], unpackFloats(t, packed), got)
			}
		})
	}
}
