package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

const embeddingsPath = "/v1/embeddings"

// inputs is an embeddings request body with further fields.
func inputs(input, more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "input": ` + input + more + `}`
}

// vectors reads the vectors of a reply.
func vectors(t *testing.T, r reply) [][]float32 {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got struct {
		Data []struct{ Embedding []float32 }
	}
	r.into(t, &got)
	out := make([][]float32, len(got.Data))
	for i, d := range got.Data {
		out[i] = d.Embedding
	}
	return out
}

func TestEmbeddings(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", embeddingsPath, strings.Replace(inputs(`["ab", "abc"]`, ""), "base", "best", 1))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got EmbeddingList
	r.into(t, &got)
	require.Equal(t, [2]string{"list", "best"}, [2]string{got.Object, got.Model})
	require.Equal(t, EmbeddingUsage{PromptTokens: 5, TotalTokens: 5}, got.Usage)
	for i, e := range got.Data {
		require.Equal(t, [2]any{"embedding", i}, [2]any{e.Object, e.Index})
	}
	for i, v := range vectors(t, r) {
		length := math.Sqrt(9 + 16 + float64((i+2)*(i+2)))
		require.InDeltaSlice(t, []float64{3 / length, 4 / length, float64(i+2) / length, 0}, widened(v), 1e-7)
	}
}

func widened(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func TestEmbeddingsReadInputInEveryForm(t *testing.T) {
	for input, want := range map[string][][]int32{
		`"ab"`:            {{'a', 'b'}},
		`["ab", "c"]`:     {{'a', 'b'}, {'c'}},
		`[5, 6, 7]`:       {{5, 6, 7}},
		`[[5, 6], [7]]`:   {{5, 6}, {7}},
		`["a", [7]]`:      {{'a'}, {7}},
		`["a", "b", "a"]`: {{'a'}, {'b'}, {'a'}},
	} {
		t.Run(input, func(t *testing.T) {
			b := newBench(t)
			var asked [][]int32
			b.engine.embed = func(_ context.Context, prompts [][]int32, pooling infer.Pooling) ([][]float32, error) {
				asked = prompts
				require.Equal(t, infer.PoolMean, pooling)
				return make([][]float32, len(prompts)), nil
			}
			require.Len(t, vectors(t, b.send("POST", embeddingsPath, inputs(input, ""))), len(want))
			require.Equal(t, want, asked)
		})
	}
}

func TestEmbeddingsInTheFormAskedFor(t *testing.T) {
	for fields, want := range map[string][]float32{
		`"normalize": false`:                       {3, 4, 12, 0},
		`"normalize": true`:                        {3. / 13, 4. / 13, 12. / 13, 0},
		`"normalize": false, "dimensions": 3`:      {3, 4, 12},
		`"dimensions": 2`:                          {0.6, 0.8},
		`"dimensions": 4, "user": "u"`:             {3. / 13, 4. / 13, 12. / 13, 0},
		`"dimensions": 2, "normalize": null`:       {0.6, 0.8},
		`"pooling": null, "encoding_format": null`: {3. / 13, 4. / 13, 12. / 13, 0},
	} {
		t.Run(fields, func(t *testing.T) {
			input := `"` + strings.Repeat("a", 12) + `"`
			got := vectors(t, newBench(t).send("POST", embeddingsPath, inputs(input, fields)))
			require.InDeltaSlice(t, widened(want), widened(got[0]), 1e-7)

			r := newBench(t).send("POST", embeddingsPath, strings.Replace(inputs(input, fields+`, "encoding_format": "base64"`), `"encoding_format": null, `, "", 1))
			var coded struct{ Data []struct{ Embedding string } }
			r.into(t, &coded)
			raw, err := base64.StdEncoding.DecodeString(coded.Data[0].Embedding)
			require.NoError(t, err)
			numbers := make([]float32, len(raw)/4)
			_, err = binary.Decode(raw, binary.LittleEndian, numbers)
			require.NoError(t, err)
			require.Equal(t, got[0], numbers, "the same to the last bit")
		})
	}
}

func TestEmbeddingsPassThePooling(t *testing.T) {
	b := newBench(t)
	b.engine.embed = func(_ context.Context, prompts [][]int32, pooling infer.Pooling) ([][]float32, error) {
		require.Equal(t, infer.PoolLast, pooling)
		return [][]float32{{0, 0, 0, 0}}, nil
	}
	require.Equal(t, [][]float32{{0, 0, 0, 0}}, vectors(t, b.send("POST", embeddingsPath, inputs(`"a"`, `"pooling": "last"`))), "nothing can be normalised")
}

func TestEmbeddingsAreRefused(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Limits.EmbedInputs, o.Limits.EmbedTokens, o.Limits.EmbedValues = 3, 10, 8
	})
	for _, c := range []struct {
		name, body  string
		status      int
		code, param string
	}{
		{"no model", `{"input": "a"}`, 400, "invalid", "model"},
		{"an unknown model", `{"model": "gpt-5", "input": "a"}`, 404, "model_not_found", "model"},
		{"no input", `{"model": "base"}`, 400, "invalid", "input"},
		{"null", inputs(`null`, ""), 400, "invalid", "input"},
		{"an empty text", inputs(`""`, ""), 400, "invalid", "input"},
		{"an empty text among others", inputs(`["a", ""]`, ""), 400, "invalid", "input"},
		{"an empty list", inputs(`[]`, ""), 400, "invalid", "input"},
		{"a list of an empty list", inputs(`[[]]`, ""), 400, "invalid", "input[0]"},
		{"an object", inputs(`{}`, ""), 400, "invalid", "input"},
		{"an object in a list", inputs(`["a", {}]`, ""), 400, "invalid", "input[1]"},
		{"too many inputs", inputs(`["a", "b", "c", "d"]`, ""), 400, "invalid", "input"},
		{"too many tokens", inputs(`["aaaaaa", "bbbbb"]`, ""), 400, "invalid", "input"},
		{"too many numbers", inputs(`["a", "b", "c"]`, ""), 400, "invalid", "input"},
		{"too many dimensions", inputs(`"a"`, `"dimensions": 5`), 400, "invalid", "dimensions"},
		{"no dimensions", inputs(`"a"`, `"dimensions": 0`), 400, "invalid", "dimensions"},
		{"half a dimension", inputs(`"a"`, `"dimensions": 0.5`), 400, "invalid", "dimensions"},
		{"an unknown format", inputs(`"a"`, `"encoding_format": "int8"`), 400, "invalid", "encoding_format"},
		{"an unknown pooling", inputs(`"a"`, `"pooling": "max"`), 400, "invalid", "pooling"},
		{"cls", inputs(`"a"`, `"pooling": "cls"`), 400, "invalid", "pooling"},
		{"a wrong type", inputs(`"a"`, `"normalize": "yes"`), 400, "invalid", "normalize"},
		{"truncation", inputs(`"a"`, `"truncate_prompt_tokens": 5`), 400, "unsupported_parameter", "truncate_prompt_tokens"},
		{"a conversation", inputs(`"a"`, `"messages": []`), 400, "unsupported_parameter", "messages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.send("POST", embeddingsPath, c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	require.Len(t, vectors(t, b.send("POST", embeddingsPath, inputs(`["a", "b", "c"]`, `"dimensions": 2`))), 3)
}

func TestEmbeddingsTellWhatTheEngineSays(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name        string
		vector      []float32
		err         error
		status      int
		code, param string
	}{
		{"a busy engine", nil, fault.New(fault.Busy, "full"), 429, "busy", ""},
		{"no memory", nil, fault.New(fault.OutOfMemory, "full"), 503, "out_of_memory", ""},
		{"an input that is too long", nil, &fault.Error{Code: fault.Invalid, Param: "messages", Err: infer.ErrContextLength, Message: "512 fit"}, 400, "context_length_exceeded", "input"},
		{"an input that is no prompt", nil, fault.Bad("prompt", "token 640 is not in the vocabulary"), 400, "invalid", "input"},
		{"numbers that are none", []float32{1, nan, 0, 0}, nil, 500, "damaged", ""},
		{"numbers without end", []float32{1, float32(math.Inf(1)), 0, 0}, nil, 500, "damaged", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.engine.embed = func(context.Context, [][]int32, infer.Pooling) ([][]float32, error) {
				return [][]float32{c.vector}, c.err
			}
			b.send("POST", embeddingsPath, inputs(`"a"`, "")).requireError(t, c.status, c.code, c.param)
		})
	}
	b := newBench(t)
	b.gateway.Drain()
	b.send("POST", embeddingsPath, inputs(`"a"`, "")).requireError(t, 503, "unavailable", "")
}

func TestEmbeddingsAreObserved(t *testing.T) {
	y := newTally()
	b := newBench(t, func(o *Options) { o.Observer, o.LogPrompts = y, true })
	b.gateway.encodeText = encodeText
	b.send("POST", embeddingsPath, inputs(`["りんご", [5]]`, "")).into(t, &EmbeddingList{})
	b.send("POST", embeddingsPath, inputs(`[5]`, `"dimensions": 9`)).requireError(t, 400, "invalid", "dimensions")
	b.send("POST", embeddingsPath, `{"model": "gpt-5", "input": "a"}`).requireError(t, 404, "model_not_found", "model")
	require.Equal(t, 2+len(miniature().Encode("りんご", false)), y.embedded)
	require.Equal(t, map[string]bool{"base": true}, y.models)
	require.Empty(t, y.generated)
	require.Contains(t, b.log.String(), "りんご", "the server was told to log prompts")
}
