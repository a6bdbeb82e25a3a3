package checkpoint

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

const loraBase = "../testdata/mistral-f32"

// loraFiles copies the plain adapter, with changes to its configuration; null takes a
// key away.
func loraFiles(t *testing.T, changes map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile("../testdata/lora/plain/" + AdapterConfigFile)
	require.NoError(t, err)
	var config map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &config))
	for key, value := range changes {
		if config[key] = json.RawMessage(value); value == "" {
			delete(config, key)
		}
	}
	data, err = json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, AdapterConfigFile), data, 0o644))
	weights, err := os.ReadFile("../testdata/lora/plain/" + adapterWeightsFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, adapterWeightsFile), weights, 0o644))
	return dir
}

func TestAdaptersAreReadByTheirConfiguration(t *testing.T) {
	f, err := OpenAdapted(loraBase, loraFiles(t, nil))
	require.NoError(t, err)
	d, ok := f.Delta("model.layers.1.self_attn.q_proj.weight")
	require.True(t, ok)
	require.Equal(t, 2.0, d.Scale)
	_, ok = f.Delta("model.layers.1.self_attn.k_proj.weight")
	require.False(t, ok)
	digest, err := f.Digest()
	require.NoError(t, err)
	require.NoError(t, f.Close())

	for name, c := range map[string]struct {
		changes map[string]string
		scale   float64
	}{
		"alpha":             {map[string]string{"lora_alpha": "4"}, 1},
		"stable":            {map[string]string{"use_rslora": "true"}, 4},
		"alpha of a module": {map[string]string{"alpha_pattern": `{"layers.1.*": 2}`}, 0.5},
		"alpha of others":   {map[string]string{"alpha_pattern": `{"roj": 2, "k_proj": 3}`}, 2},
		"training's keys":   {map[string]string{"lora_dropout": "0.5", "init_lora_weights": `"gaussian"`, "new_thing": "false"}, 2},
	} {
		f, err := OpenAdapted(loraBase, loraFiles(t, c.changes))
		require.NoError(t, err, name)
		d, _ := f.Delta("model.layers.1.self_attn.q_proj.weight")
		require.Equal(t, c.scale, d.Scale, name)
		other, err := f.Digest()
		require.NoError(t, err)
		require.NotEqual(t, digest, other, name)
		require.NoError(t, f.Close())
	}
	plain, err := Open(loraBase)
	require.NoError(t, err)
	defer plain.Close()
	without, err := plain.Digest()
	require.NoError(t, err)
	require.NotEqual(t, without, digest)
	base, err := ReadAdapterBase(loraFiles(t, nil))
	require.NoError(t, err)
	require.Equal(t, "mistral-f32", base)
}

func TestAdaptersThatCantBeHonouredAreRefusedByKey(t *testing.T) {
	for key, value := range map[string]string{
		"peft_type": `"IA3"`, "use_dora": "true", "fan_in_fan_out": "true", "bias": `"all"`, "lora_bias": "true",
		"init_lora_weights": `"pissa"`, "layer_replication": "[[0, 1]]", "trainable_token_indices": "[3]", "use_qalora": "true",
		"target_parameters": `["x"]`, "some_new_key": `{"x": 1}`, "r": "0", "lora_alpha": "null", "rank_pattern": `{"(": 4}`,
		"alpha_pattern": `{"q_proj": 1, ".*": 2}`,
	} {
		_, err := OpenAdapted(loraBase, loraFiles(t, map[string]string{key: value}))
		require.Equal(t, fault.Damaged, fault.CodeOf(err), "%s: %v", key, err)
		require.Contains(t, err.Error(), strings.TrimSuffix(key, "_pattern"), key)
	}
	_, err := OpenAdapted(loraBase, loraFiles(t, map[string]string{"r": "5"}))
	require.ErrorContains(t, err, "its rank is 4, and by adapter_config.json 5")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}

func TestAdaptersHaveToGoWithTheModel(t *testing.T) {
	const q = "base_model.model.model.layers.0.self_attn.q_proj"
	tensor := func(name string, shape ...int) Tensor {
		info := TensorInfo{Name: name, DType: dtypes.Float32, Shape: shape}
		return Tensor{TensorInfo: info, Data: make([]byte, info.StoredBytes())}
	}
	for name, c := range map[string]struct {
		tensors []Tensor
		says    string
	}{
		"nothing":             {nil, "it changes nothing"},
		"one half":            {[]Tensor{tensor(q+".lora_A.weight", 4, 32)}, "one is missing"},
		"halves of others":    {[]Tensor{tensor(q+".lora_A.weight", 4, 32), tensor(q+".lora_B.weight", 64, 3)}, "must be [r, in] and [out, r]"},
		"another width":       {[]Tensor{tensor(q+".lora_A.weight", 4, 31), tensor(q+".lora_B.weight", 64, 4)}, `"model.layers.0.self_attn.q_proj.weight" by [64 31]`},
		"no such block":       {[]Tensor{tensor(strings.Replace(q, "0", "7", 1)+".lora_A.weight", 4, 32), tensor(strings.Replace(q, "0", "7", 1)+".lora_B.weight", 64, 4)}, "which the model has not"},
		"a magnitude":         {[]Tensor{tensor(q+".lora_magnitude_vector", 64)}, "not supported"},
		"a foreign name":      {[]Tensor{tensor("model.norm.weight", 32)}, "does not begin with base_model.model."},
		"a head too large":    {[]Tensor{tensor("base_model.model.lm_head.weight", 65, 32)}, "[65 32]"},
		"weights that aren't": {nil, "no adapter_model.safetensors"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := loraFiles(t, nil)
			path := filepath.Join(dir, adapterWeightsFile)
			require.NoError(t, os.Remove(path))
			if name != "weights that aren't" {
				require.NoError(t, WriteSafetensors(path, c.tensors, nil))
			}
			_, err := OpenAdapted(loraBase, dir)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// An adapter finds the tensors of a model that sees under whichever names it was
// trained with. What sees is another only if the adapter changes it.
func TestAdaptersOfModelsThatSee(t *testing.T) {
	base := layout(t, seeing(nil), 1, 7)
	of := func(names ...string) (*Folder, error) {
		dir := loraFiles(t, nil)
		var tensors []Tensor
		for _, name := range names {
			tensors = append(tensors, Tensor{TensorInfo{"base_model.model." + name, dtypes.Float32, []int{1}}, make([]byte, 4)})
		}
		require.NoError(t, os.Remove(filepath.Join(dir, adapterWeightsFile)))
		require.NoError(t, WriteSafetensors(filepath.Join(dir, adapterWeightsFile), tensors, nil))
		return OpenAdapted(base, dir)
	}
	plain, err := Open(base)
	require.NoError(t, err)
	defer plain.Close()
	sight, err := plain.VisionDigest(t.Context())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		tensor, changes string
		sees            bool // what sees is another
	}{
		"of a plain model":   {"model.norm.weight", "model.norm.weight", false},
		"of the decoder":     {"language_model.model.norm.weight", "model.norm.weight", false},
		"since transformers": {"model.language_model.norm.weight", "model.norm.weight", false},
		"of the projector":   {"model.multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_1.weight", true},
	} {
		f, err := of(c.tensor)
		require.NoError(t, err, name)
		_, ok := f.Delta(c.changes)
		require.True(t, ok, name)
		adapted, err := f.VisionDigest(t.Context())
		require.NoError(t, err)
		require.Equal(t, c.sees, adapted != sight, name)
		require.NoError(t, f.Close())
	}
	_, err = of("model.norm.weight", "language_model.model.norm.weight")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, "under two names")
}
