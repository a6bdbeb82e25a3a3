package test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exportRecipe is a merge with a base, a density and a seed.
var exportRecipe = object{
	"method": "dare_ties", "base_model": "base", "seed": 7, "dtype": "bfloat16",
	"sources": []object{{"model": "ja-general", "weight": 0.9, "density": 0.8}, {"model": "en-math-a", "weight": 0.9, "density": 0.6}},
}

// export writes a recipe's model to a folder and waits until it is there.
func (s *server) export(recipe string, body object) object {
	s.t.Helper()
	r := s.send("POST", "/v1/recipes/"+recipe+"/export", body)
	require.Equal(s.t, 202, r.status, "%s", r.body)
	var export object
	s.wait("an export", requestTime, func() bool {
		export = s.call("GET", r.header.Get("Location"), nil)
		return export.text("state") != "running"
	})
	require.Equal(s.t, "completed", export.text("state"), "%v", export)
	return export
}

// said is a greedy reply to a question with its log probabilities.
func (s *server) said(model, question string) []object {
	s.t.Helper()
	answer := s.call("POST", "/v1/chat/completions", object{
		"model": model, "temperature": 0, "max_tokens": 32, "logprobs": true, "top_logprobs": 3,
		"messages": []object{{"role": "user", "content": question}},
	})
	return answer.list("choices")
}

func TestAnExportIsServedAsTheRecipeWas(t *testing.T) {
	models := t.TempDir() // a copy: an export is to be a model among others
	require.NoError(t, os.CopyFS(models, os.DirFS(zooModels(t))))
	s := start(t, options{models: models, args: []string{"--exports", models}})
	id := s.call("POST", "/v1/recipes", object{"name": "blend", "recipe": exportRecipe}).text("id")
	export := s.export(id, object{"folder": "blend-v1"})
	require.Equal(t, id, export.text("recipe"))
	require.Equal(t, export.number("total_bytes"), export.number("bytes"))

	for _, question := range []string{"店に鉛筆が74本あります。明さんが25本買いました。何本残っていますか。", "Tom has 27 apples and gets 35. How many are there?"} {
		want := s.said(id, question)
		require.NotEmpty(t, want[0].object("logprobs").list("content"))
		require.Equal(t, want, s.said("blend-v1", question), "its words and their log probabilities")
	}
	require.Equal(t, "folder", s.refusal(409, "POST", "/v1/recipes/"+id+"/export", object{"folder": "blend-v1"}).text("param"))
	require.Equal(t, "folder", s.refusal(409, "POST", "/v1/recipes/"+id+"/export", object{"folder": "base", "force": true}).text("param"))
	s.export(id, object{"folder": "blend-v1", "force": true})
	require.Equal(t, s.said(id, "23+45"), s.said("blend-v1", "23+45"))

	hidden, err := filepath.Glob(filepath.Join(models, ".*"))
	require.NoError(t, err)
	require.Empty(t, hidden)
}

// heavyModels is a folder with one model of 128 MiB, twice that in float32, which takes a
// moment to write. Its file has a hole where the weights are.
func heavyModels(t *testing.T) string {
	t.Helper()
	models := t.TempDir()
	dir := filepath.Join(models, "heavy")
	require.NoError(t, os.Mkdir(dir, 0o755))
	const vocabulary, hidden = 1 << 16, 1 << 10
	config := object{
		"architectures": []string{"MistralForCausalLM"}, "model_type": "mistral", "vocab_size": vocabulary, "hidden_size": hidden,
		"intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 128,
		"max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "torch_dtype": "bfloat16",
		"tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2,
	}
	data, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644))

	header, at := object{}, 0
	add := func(name string, shape ...int) {
		size := 2
		for _, d := range shape {
			size *= d
		}
		header[name] = object{"dtype": "BF16", "shape": shape, "data_offsets": []int{at, at + size}}
		at += size
	}
	block := "model.layers.0."
	add("model.embed_tokens.weight", vocabulary, hidden)
	add("model.norm.weight", hidden)
	add(block+"input_layernorm.weight", hidden)
	add(block+"post_attention_layernorm.weight", hidden)
	add(block+"self_attn.q_proj.weight", 1024, hidden)
	add(block+"self_attn.k_proj.weight", 128, hidden)
	add(block+"self_attn.v_proj.weight", 128, hidden)
	add(block+"self_attn.o_proj.weight", hidden, 1024)
	add(block+"mlp.gate_proj.weight", 64, hidden)
	add(block+"mlp.up_proj.weight", 64, hidden)
	add(block+"mlp.down_proj.weight", hidden, 64)
	data, err = json.Marshal(header)
	require.NoError(t, err)
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, binary.Write(f, binary.LittleEndian, uint64(len(data))))
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(int64(8+len(data)+at)))
	return models
}

// contents hashes the files of a folder.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sums[path] = sha256.Sum256(data)
		return err
	}))
	return sums
}

// A merge that is stopped in the middle of writing leaves no half folder, and
// nothing that the next one would stumble over.
func TestAMergeThatIsCutOffLeavesNoHalfFolder(t *testing.T) {
	models, place := heavyModels(t), t.TempDir()
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte("merge_method: linear\nmodels:\n  - model: heavy\n    parameters: {weight: 1}\ndtype: float32\n"), 0o644))
	out, making := filepath.Join(place, "merged"), filepath.Join(place, ".merged.mergeway-export")
	command := func() *exec.Cmd {
		c := exec.Command(program, "merge", recipe, "--models", models, "-o", out, "--force", "--no-write-model-card")
		c.Stderr = os.Stderr
		return c
	}
	cutOff := func(signal syscall.Signal) {
		weights := filepath.Join(making, ".model.safetensors.*")
		stale, _ := filepath.Glob(weights)
		c := command()
		require.NoError(t, c.Start())
		defer func() { _ = c.Process.Kill() }()
		deadline := time.Now().Add(requestTime)
		for { // until the weights have begun to be written
			if begun, _ := filepath.Glob(weights); len(begun) > 0 && !slices.Equal(begun, stale) {
				break
			}
			require.True(t, time.Now().Before(deadline), "nothing is written")
		}
		require.NoError(t, c.Process.Signal(signal))
		require.Error(t, c.Wait(), "it was cut off")
	}

	cutOff(syscall.SIGKILL)
	require.NoDirExists(t, out)
	require.DirExists(t, making, "what was killed could not clean up")
	cutOff(syscall.SIGINT)
	require.NoDirExists(t, out)
	require.NoDirExists(t, making)

	cutOff(syscall.SIGKILL)
	require.NoError(t, command().Run())
	whole := contents(t, out)
	require.Len(t, whole, 3)
	require.NoDirExists(t, making, "the next export has cleaned up")
	cutOff(syscall.SIGKILL)
	require.Equal(t, whole, contents(t, out), "the one that was there stays")
}
