package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tallModels is a folder with two models of 45 MB and eight blocks, of random
// weights, with a tokenizer.
func tallModels(t *testing.T) string {
	t.Helper()
	models := t.TempDir()
	const vocabulary, hidden, inner, layers = 2048, 512, 1408, 8
	config, err := json.Marshal(object{
		"architectures": []string{"MistralForCausalLM"}, "model_type": "mistral", "vocab_size": vocabulary, "hidden_size": hidden,
		"intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 64,
		"max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "torch_dtype": "bfloat16",
		"tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2,
	})
	require.NoError(t, err)
	header, size := object{}, 0
	add := func(name string, shape ...int) {
		n := 2
		for _, d := range shape {
			n *= d
		}
		header[name] = object{"dtype": "BF16", "shape": shape, "data_offsets": []int{size, size + n}}
		size += n
	}
	add("model.embed_tokens.weight", vocabulary, hidden)
	add("model.norm.weight", hidden)
	for i := range layers {
		block := "model.layers." + string(rune('0'+i)) + "."
		add(block+"input_layernorm.weight", hidden)
		add(block+"post_attention_layernorm.weight", hidden)
		add(block+"self_attn.q_proj.weight", 512, hidden)
		add(block+"self_attn.k_proj.weight", 64, hidden)
		add(block+"self_attn.v_proj.weight", 64, hidden)
		add(block+"self_attn.o_proj.weight", hidden, 512)
		add(block+"mlp.gate_proj.weight", inner, hidden)
		add(block+"mlp.up_proj.weight", inner, hidden)
		add(block+"mlp.down_proj.weight", hidden, inner)
	}
	names, err := json.Marshal(header)
	require.NoError(t, err)
	for seed, name := range []string{"one", "two"} {
		dir := filepath.Join(models, name)
		require.NoError(t, os.Mkdir(dir, 0o755))
		random, data := rand.New(rand.NewPCG(uint64(seed), 1)), make([]byte, size)
		for i := 0; i < size; i += 2 { // between 2⁻⁸ and 2⁻⁶, of both signs
			binary.LittleEndian.PutUint16(data[i:], uint16(random.Uint32())&0x80ff|0x3b80)
		}
		var file bytes.Buffer
		require.NoError(t, binary.Write(&file, binary.LittleEndian, uint64(len(names))))
		file.Write(names)
		file.Write(data)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), file.Bytes(), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
		for _, words := range []string{"tokenizer.json", "tokenizer_config.json"} {
			text, err := os.ReadFile(filepath.Join(zooModels(t), "base", words))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, words), text, 0o644))
		}
	}
	return models
}

// hashes are those of the files of a folder, by the paths in it.
func hashes(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		sums[name] = sha256.Sum256(data)
		return err
	}))
	return sums
}

// A merge that is killed, again and again and wherever it is, is finished by the
// same command in the end, and no byte tells that it was killed.
func TestAMergeThatIsKilledIsGoneOnWith(t *testing.T) {
	models, recipe := tallModels(t), filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte("merge_method: ties\nbase_model: one\nmodels:\n  - model: two\n    parameters: {weight: 0.7, density: 0.5}\ndtype: bfloat16\n"), 0o644))
	command := func(place string) (*exec.Cmd, *bytes.Buffer) {
		var said bytes.Buffer
		c := exec.Command(program, "merge", recipe, "--models", models, "-o", filepath.Join(place, "merged"), "--out-shard-size", "1MiB")
		c.Stdout, c.Stderr = &said, &said
		return c, &said
	}
	undisturbed, place := t.TempDir(), t.TempDir()
	c, said := command(undisturbed)
	require.NoError(t, c.Run(), said)
	want := hashes(t, filepath.Join(undisturbed, "merged"))
	require.Greater(t, len(want), 40, "files")

	complete := func() int {
		files, err := filepath.Glob(filepath.Join(place, ".merged.mergeway-export", "model-*.safetensors"))
		require.NoError(t, err)
		return len(files)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	done := func(said string, goneOn bool) {
		if goneOn {
			require.Contains(t, said, "going on: ")
		}
		require.Equal(t, want, hashes(t, filepath.Join(place, "merged")))
		require.NoDirExists(t, filepath.Join(place, ".merged.mergeway-export"))
	}
	for at, runs := 0, 0; ; runs++ {
		at += 1 + random.IntN(16)
		c, said := command(place)
		require.NoError(t, c.Start())
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		cutOff := false
		for deadline := time.Now().Add(requestTime); !cutOff; {
			require.True(t, time.Now().Before(deadline), "it neither ends nor goes on")
			select {
			case err := <-ended:
				require.NoError(t, err, said)
				done(said.String(), runs > 0)
				return
			default:
				cutOff = complete() >= at
			}
		}
		_ = c.Process.Signal([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[random.IntN(2)])
		if <-ended == nil {
			done(said.String(), runs > 0) // it was faster
			return
		}
		require.NoDirExists(t, filepath.Join(place, "merged"))
		require.NotZero(t, complete(), "what is complete is kept")
	}
}

// awaitWriting waits until an export's weights have begun to be written.
func (s *server) awaitWriting(exports, folder string) {
	s.t.Helper()
	deadline := time.Now().Add(requestTime)
	for {
		if begun, _ := filepath.Glob(filepath.Join(exports, "."+folder+".mergeway-export", ".model.safetensors.*")); len(begun) > 0 {
			return
		}
		require.True(s.t, time.Now().Before(deadline), "nothing is written")
	}
}

func TestAnExportIsCancelledOrGoesOnWithTheServer(t *testing.T) {
	exports, o := t.TempDir(), options{models: tallModels(t), data: t.TempDir()}
	o.args = []string{"--exports", exports, "--max-exports", "2"}
	s := start(t, o)
	id := s.call("POST", "/v1/recipes", object{"recipe": object{
		"method": "ties", "base_model": "one", "sources": []object{{"model": "two", "weight": 0.7, "density": 0.5}},
	}}).text("id")
	begin := func(folder string) string {
		r := s.send("POST", "/v1/recipes/"+id+"/export", object{"folder": folder})
		require.Equal(t, 202, r.status, "%s", r.body)
		s.awaitWriting(exports, folder)
		return r.header.Get("Location")
	}
	for {
		r := s.send("POST", begin("cancelled")+"/cancel", nil)
		if r.status == 409 { // it was faster
			require.NoError(t, os.RemoveAll(filepath.Join(exports, "cancelled")))
			continue
		}
		require.Equal(t, 200, r.status, "%s", r.body)
		break
	}
	left, err := os.ReadDir(exports)
	require.NoError(t, err)
	require.Empty(t, left)

	undisturbed := s.export(id, object{"folder": "undisturbed"})
	require.Equal(t, undisturbed.number("total_bytes"), undisturbed.number("bytes"))
	killed, folder := "", ""
	for n := 0; ; n++ {
		folder = fmt.Sprintf("killed-%d", n)
		killed = begin(folder)
		s.kill()
		_, err := os.Stat(filepath.Join(exports, folder))
		s = start(t, o)
		if err != nil {
			break
		} // else it was faster
	}
	s.wait("the export to go on", requestTime, func() bool {
		export := s.call("GET", killed, nil)
		require.Contains(t, []string{"running", "completed"}, export.text("state"), "%v", export)
		return export.text("state") == "completed"
	})
	want, got := hashes(t, filepath.Join(exports, "undisturbed")), hashes(t, filepath.Join(exports, folder))
	delete(want, "README.md") // it has the folder's name
	delete(got, "README.md")
	require.Equal(t, want, got)
	require.Zero(t, s.stop())
}

// A model whose sources don't fit the budget together is served all the same, and
// says the same.
func TestAMergeUnderMemoryPressure(t *testing.T) {
	const question = "店に鉛筆が74本あります。明さんが25本買いました。何本残っていますか。"
	roomy := start(t, options{})
	id := roomy.call("POST", "/v1/recipes", object{"recipe": exportRecipe}).text("id")
	want := roomy.said(id, question)
	require.Equal(t, false, roomy.call("GET", "/v1/models/"+id+"/card", nil).object("made")["streamed"])
	model := int64(roomy.call("GET", "/v1/models/"+id, nil).number("bytes"))
	require.Zero(t, roomy.stop())

	s := start(t, options{args: []string{"--budget", fmt.Sprint(7 * model / 2)}})
	require.Equal(t, id, s.call("POST", "/v1/recipes", object{"recipe": exportRecipe}).text("id"))
	require.Equal(t, want, s.said(id, question), "its words and their log probabilities")
	require.Equal(t, true, s.call("GET", "/v1/models/"+id+"/card", nil).object("made")["streamed"])
	require.Zero(t, s.stop())
}
