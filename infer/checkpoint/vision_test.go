package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// seeing is a config.json of a small LLaVA-NeXT; changed replaces and, with nil,
// removes keys of the outermost object.
func seeing(changed map[string]any) []byte {
	var text map[string]any
	if err := json.Unmarshal(keys(map[string]any{"torch_dtype": nil}), &text); err != nil {
		panic(err)
	}
	all := map[string]any{
		"model_type": "llava_next", "architectures": []string{"LlavaNextForConditionalGeneration"},
		"text_config": text, "vision_config": tower(nil), "image_token_index": 63, "torch_dtype": "bfloat16",
		"vision_feature_layer": -2, "vision_feature_select_strategy": "default", "projector_hidden_act": "gelu",
		"image_grid_pinpoints": [][]int{{8, 16}, {16, 8}},
	}
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return data
}

// tower is a vision_config, changed likewise.
func tower(changed map[string]any) map[string]any {
	all := map[string]any{
		"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
		"num_attention_heads": 4, "image_size": 8, "patch_size": 4, "projection_dim": 5,
	}
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// smallVision is what seeing(nil) says.
func smallVision() VisionConfig {
	return VisionConfig{
		ModelType: "llava_next", Architectures: []string{"LlavaNextForConditionalGeneration"},
		HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 3, NumAttentionHeads: 4, ImageSize: 8, PatchSize: 4,
		LayerNormEps: 1e-5, HiddenAct: "quick_gelu", ProjectionAct: "gelu", ProjectorBias: true,
		FeatureLayers: []int{-2}, GridPinpoints: [][2]int{{8, 16}, {16, 8}}, ImageTokenID: 63,
	}
}

func TestParseModelReadsWhatSees(t *testing.T) {
	none := func(*Config, *VisionConfig) {}
	for name, c := range map[string]struct {
		changed map[string]any
		want    func(c *Config, v *VisionConfig)
	}{
		"llava_next": {nil, none},
		"llava, whose config may have a grid all the same": {map[string]any{"model_type": "llava"},
			func(_ *Config, v *VisionConfig) { v.ModelType, v.GridPinpoints = "llava", nil }},
		"the class embedding": {map[string]any{"model_type": "llava", "vision_feature_select_strategy": "full"},
			func(_ *Config, v *VisionConfig) { v.ModelType, v.GridPinpoints, v.KeepClass = "llava", nil, true }},
		"several layers":         {map[string]any{"vision_feature_layer": []int{-2, 0, 3}}, func(_ *Config, v *VisionConfig) { v.FeatureLayers = []int{-2, 0, 3} }},
		"a projector's own ways": {map[string]any{"projector_hidden_act": "quick_gelu", "multimodal_projector_bias": false}, func(_ *Config, v *VisionConfig) { v.ProjectionAct, v.ProjectorBias = "quick_gelu", false }},
		"transformers' defaults": {map[string]any{"vision_feature_layer": nil, "vision_feature_select_strategy": nil, "projector_hidden_act": nil, "image_token_index": nil},
			func(_ *Config, v *VisionConfig) { v.ImageTokenID = 32000 }},
		"the token in transformers 5": {map[string]any{"image_token_index": nil, "image_token_id": 7}, func(_ *Config, v *VisionConfig) { v.ImageTokenID = 7 }},
		"sizes as pairs":              {map[string]any{"vision_config": tower(map[string]any{"image_size": []int{8, 8}, "patch_size": []int{2, 2}})}, func(_ *Config, v *VisionConfig) { v.PatchSize = 2 }},
		"a tower's own ways": {map[string]any{"vision_config": tower(map[string]any{"hidden_act": "gelu", "layer_norm_eps": 1e-6})},
			func(_ *Config, v *VisionConfig) { v.HiddenAct, v.LayerNormEps = "gelu", 1e-6 }},
		"CLIP's defaults": {map[string]any{"vision_config": map[string]any{}, "image_grid_pinpoints": [][]int{{224, 448}}},
			func(_ *Config, v *VisionConfig) {
				v.HiddenSize, v.IntermediateSize, v.NumHiddenLayers, v.NumAttentionHeads = 768, 3072, 12, 12
				v.ImageSize, v.PatchSize, v.GridPinpoints = 224, 32, [][2]int{{224, 448}}
			}},
		"LLaVA's defaults": {map[string]any{"vision_config": nil, "image_grid_pinpoints": nil},
			func(_ *Config, v *VisionConfig) {
				v.HiddenSize, v.IntermediateSize, v.NumHiddenLayers, v.NumAttentionHeads = 1024, 4096, 24, 16
				v.ImageSize, v.PatchSize = 336, 14
				v.GridPinpoints = [][2]int{{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}
			}},
		"a text of defaults": {map[string]any{"text_config": nil}, func(c *Config, _ *VisionConfig) {
			*c = Config{
				ModelType: "llama", VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 11008, NumHiddenLayers: 32, NumAttentionHeads: 32,
				NumKeyValueHeads: 32, HeadDim: 128, MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, RopeTheta: 1e4, HiddenAct: "silu",
				DType: dtypes.BFloat16, BOSTokenID: 1, EOSTokenIDs: []int{2},
			}
		}},
		"the text of LLaVA-1.6-Mistral": {map[string]any{"text_config": map[string]any{
			"model_type": "mistral", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "sliding_window": nil, "vocab_size": 32064, "torch_dtype": "float16",
		}}, func(c *Config, _ *VisionConfig) {
			*c = Config{
				ModelType: "mistral", VocabSize: 32064, HiddenSize: 4096, IntermediateSize: 14336, NumHiddenLayers: 32, NumAttentionHeads: 32,
				NumKeyValueHeads: 8, HeadDim: 128, MaxPositionEmbeddings: 32768, RMSNormEps: 1e-5, RopeTheta: 1e6, HiddenAct: "silu",
				DType: dtypes.BFloat16, BOSTokenID: 1, EOSTokenIDs: []int{2},
			}
		}},
		"a dtype of the text alone": {map[string]any{"torch_dtype": nil, "text_config": map[string]any{"dtype": "float16"}}, func(c *Config, _ *VisionConfig) {
			*c, _ = ParseConfig([]byte(`{"model_type":"llava","text_config":{"torch_dtype":"float16"}}`))
			c.DType = dtypes.Float16
		}},
		"a tied head": {map[string]any{"tie_word_embeddings": true}, func(c *Config, _ *VisionConfig) { c.TieWordEmbeddings = true }},
	} {
		t.Run(name, func(t *testing.T) {
			text, vision := small(), smallVision()
			c.want(&text, &vision)
			gotText, gotVision, err := ParseModel(seeing(c.changed))
			require.NoError(t, err)
			require.Equal(t, text, gotText)
			require.Equal(t, &vision, gotVision)

			written, err := gotVision.JSON(gotText)
			require.NoError(t, err)
			againText, againVision, err := ParseModel(written)
			require.NoError(t, err)
			require.Equal(t, gotText, againText, "written and read again: %s", written)
			require.Equal(t, gotVision, againVision, "written and read again: %s", written)
		})
	}
	_, vision, err := ParseModel(keys(nil))
	require.NoError(t, err)
	require.Nil(t, vision)
}

func TestParseModelNamesTheKeyThatItRefuses(t *testing.T) {
	inTower := func(key string, value any) map[string]any {
		return map[string]any{"vision_config": tower(map[string]any{key: value})}
	}
	inText := func(text map[string]any) map[string]any { return map[string]any{"text_config": text} }
	for _, c := range []struct {
		key     string
		changed map[string]any
	}{
		{"text_config.model_type", inText(map[string]any{"model_type": "gemma2"})},
		{"text_config.hidden_size", inText(map[string]any{"hidden_size": -1})},
		{"text_config.quantization_config.quant_method", inText(map[string]any{"quantization_config": map[string]any{"quant_method": "awq"}})},
		{"text_config.rope_scaling.rope_type", inText(map[string]any{"rope_scaling": map[string]any{"type": "longrope"}})},
		{"quantization_config.quant_method", map[string]any{"quantization_config": map[string]any{"quant_method": "awq"}}},
		{"text_config.dtype", map[string]any{"torch_dtype": "int8"}},
		{"vision_config.model_type", inTower("model_type", "siglip_vision_model")},
		{"vision_config.num_channels", inTower("num_channels", 1)},
		{"vision_config.hidden_size", inTower("hidden_size", 0)},
		{"vision_config.hidden_size", inTower("hidden_size", 1<<40)},
		{"vision_config.intermediate_size", inTower("intermediate_size", -1)},
		{"vision_config.num_hidden_layers", inTower("num_hidden_layers", maxLayers+1)},
		{"vision_config.num_attention_heads", inTower("num_attention_heads", 0)},
		{"vision_config.num_attention_heads", inTower("num_attention_heads", 3)},
		{"vision_config.image_size", inTower("image_size", maxImageSize+1)},
		{"vision_config.image_size", inTower("image_size", []int{8, 16})},
		{"vision_config.image_size", inTower("image_size", []int{})},
		{"vision_config.patch_size", inTower("patch_size", 3)},
		{"vision_config.patch_size", inTower("patch_size", 0)},
		{"vision_config.layer_norm_eps", inTower("layer_norm_eps", 0)},
		{"vision_config.hidden_act", inTower("hidden_act", "relu")},
		{"projector_hidden_act", map[string]any{"projector_hidden_act": "tanh"}},
		{"vision_feature_select_strategy", map[string]any{"vision_feature_select_strategy": "cls"}},
		{"vision_feature_select_strategy", map[string]any{"vision_feature_select_strategy": "full"}}, // with a grid
		{"vision_feature_layer", map[string]any{"vision_feature_layer": 4}},
		{"vision_feature_layer", map[string]any{"vision_feature_layer": []int{-1, -5}}},
		{"vision_feature_layer", map[string]any{"vision_feature_layer": []int{}}},
		{"vision_feature_layer", map[string]any{"vision_feature_layer": make([]int, maxFeatureLayers+1)}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": [][]int{}}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": [][]int{{8}}}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": [][]int{{8, 12}}}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": [][]int{{-8, 8}}}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": [][]int{{8 * maxTiles, 16}}}},
		{"image_grid_pinpoints", map[string]any{"image_grid_pinpoints": make([][2]int, maxPinpoints+1)}},
		{"image_token_index", map[string]any{"image_token_index": -1}},
	} {
		t.Run(fmt.Sprint(c.changed), func(t *testing.T) {
			_, _, err := ParseModel(seeing(c.changed))
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Equal(t, c.key, f.Param)
			require.ErrorContains(t, err, "config.json: ")
		})
	}
	for name, data := range map[string][]byte{
		"text for a number":       seeing(inTower("hidden_size", "16")),
		"text for a text":         seeing(map[string]any{"text_config": "mistral"}),
		"text for a layer":        seeing(map[string]any{"vision_feature_layer": "last"}),
		"null among the layers":   seeing(map[string]any{"vision_feature_layer": []any{-1, nil}}),
		"half a patch":            seeing(inTower("patch_size", 1.5)),
		"a token of other bounds": seeing(map[string]any{"image_token_index": 1 << 40}),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ParseModel(data)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
		})
	}
}

// layouts are the names that the tensors of a model that sees have in files: those
// they have here, and what three generations of transformers call them.
var layouts = [][4]string{
	{"model.embed_tokens.weight", "language_model.model.embed_tokens.weight", "model.language_model.embed_tokens.weight", "model.language_model.embed_tokens.weight"},
	{"model.layers.0.mlp.up_proj.weight", "language_model.model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight"},
	{"model.norm.weight", "language_model.model.norm.weight", "model.language_model.norm.weight", "model.language_model.norm.weight"},
	{"lm_head.weight", "language_model.lm_head.weight", "lm_head.weight", "lm_head.weight"},
	{"vision_tower.vision_model.pre_layrnorm.bias", "vision_tower.vision_model.pre_layrnorm.bias", "model.vision_tower.vision_model.pre_layrnorm.bias", "model.vision_tower.pre_layrnorm.bias"},
	{"multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_1.weight", "model.multi_modal_projector.linear_1.weight", "model.multi_modal_projector.linear_1.weight"},
	{"image_newline", "image_newline", "model.image_newline", "model.image_newline"},
}

// layout makes a folder of tensors as the n-th of layouts names them.
func layout(t *testing.T, config []byte, n int, vision float32) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, ConfigFile, config)
	var tensors []Tensor
	for i, names := range layouts {
		data := binary.LittleEndian.AppendUint32(nil, uint32(i))
		if IsVision(names[0]) {
			data = binary.LittleEndian.AppendUint32(nil, uint32(vision))
		}
		tensors = append(tensors, Tensor{TensorInfo{names[n], dtypes.Float32, []int{1}}, data})
	}
	require.NoError(t, WriteSafetensors(filepath.Join(dir, WeightsFile), tensors, nil))
	return dir
}

func TestTensorsHaveOneNameInEveryLayout(t *testing.T) {
	var digests, sights []string
	for n := range layouts[0] {
		f, err := Open(layout(t, seeing(nil), n, 7))
		require.NoError(t, err)
		defer f.Close()
		require.Equal(t, smallVision(), *f.Vision())
		require.Equal(t, small(), f.Config())
		listed := map[string]bool{}
		for _, info := range f.Tensors() {
			listed[info.Name] = true
		}
		require.Len(t, listed, len(layouts))
		for i, names := range layouts {
			require.True(t, listed[names[0]], names[0])
			require.Equal(t, i >= 4, IsVision(names[0]))
			require.Equal(t, names[1], StoredName(names[0]))
			info, data, err := f.Tensor(names[0])
			require.NoError(t, err)
			require.Equal(t, names[0], info.Name)
			if i < 4 {
				require.EqualValues(t, i, binary.LittleEndian.Uint32(data))
			}
			f.ReadAhead(names[0])
			f.LetGo(names[0])
		}
		whole, err := f.Digest()
		require.NoError(t, err)
		sight, err := f.VisionDigest(t.Context())
		require.NoError(t, err)
		digests, sights = append(digests, whole), append(sights, sight)
	}
	for n := range digests {
		require.Equal(t, digests[0], digests[n])
		require.Equal(t, sights[0], sights[n])
	}
	require.NotEqual(t, digests[0], sights[0])
}

// What sees is the same whatever it is put on, and another if any of it is.
func TestVisionDigestIsOfWhatSees(t *testing.T) {
	of := func(config []byte, vision float32) (whole, sight string) {
		f, err := Open(layout(t, config, 0, vision))
		require.NoError(t, err)
		defer f.Close()
		whole, err = f.Digest()
		require.NoError(t, err)
		sight, err = f.VisionDigest(t.Context())
		require.NoError(t, err)
		return whole, sight
	}
	whole, sight := of(seeing(nil), 7)
	otherText, same := of(seeing(map[string]any{"torch_dtype": "float16"}), 7)
	require.NotEqual(t, whole, otherText)
	require.Equal(t, sight, same)
	for name, c := range map[string]struct {
		config []byte
		vision float32
	}{
		"a tensor": {seeing(nil), 8},
		"a key":    {seeing(map[string]any{"vision_feature_layer": -1}), 7},
	} {
		otherWhole, other := of(c.config, c.vision)
		require.NotEqual(t, sight, other, name)
		require.NotEqual(t, whole, otherWhole, name)
	}
	_, none := of(keys(nil), 7)
	require.Empty(t, none)
}

func TestATensorUnderTwoNamesIsDamage(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ConfigFile, seeing(nil))
	one := func(name string) Tensor {
		return Tensor{TensorInfo{name, dtypes.Float32, []int{1}}, make([]byte, 4)}
	}
	require.NoError(t, WriteSafetensors(filepath.Join(dir, WeightsFile), []Tensor{one("image_newline"), one("model.image_newline")}, nil))
	_, err := Open(dir)
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, `"image_newline"`)
}

// An index has the names of the files.
func TestShardsOfAModelThatSees(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ConfigFile, seeing(nil))
	where := map[string]string{}
	for i, names := range layouts {
		file := fmt.Sprintf("model-%d.safetensors", i)
		where[names[2]] = file
		require.NoError(t, WriteSafetensors(filepath.Join(dir, file), []Tensor{{TensorInfo{names[2], dtypes.Float32, []int{1}}, make([]byte, 4)}}, nil))
	}
	index(t, dir, where)
	f, err := Open(dir)
	require.NoError(t, err)
	require.Len(t, f.Tensors(), len(layouts))
	require.NoError(t, f.Close())

	where["lm_head.weight"] = where["model.image_newline"]
	index(t, dir, where)
	_, err = Open(dir)
	require.ErrorContains(t, err, "it is not")
}

func TestReadVision(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ConfigFile, seeing(nil))
	v, err := ReadVision(dir)
	require.NoError(t, err)
	require.Equal(t, smallVision(), *v)
	require.Equal(t, 2, v.Side())
	require.Equal(t, 4, v.Features())
	v.KeepClass = true
	require.Equal(t, 5, v.Features())
	put(t, dir, ConfigFile, []byte(strings.Replace(string(seeing(nil)), "mistral", "phi", 1)))
	_, err = ReadVision(dir)
	require.ErrorContains(t, err, "model_type")
}
