package zoo

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// modelFolder is a Hugging Face folder to be written.
type modelFolder struct {
	dir    string
	config checkpoint.Config
	vision *checkpoint.VisionConfig // nil: sees nothing
	words  vocabulary
}

// write writes config, weights in bfloat16, and the tokenizer. The card comes later,
// when the model has been scored.
func (f modelFolder) write(weights []*tensors.Tensor) error {
	dir, c := f.dir, f.config
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Internal, "make model folder %s", dir)
	}
	files := map[string]func() ([]byte, error){
		"config.json":            c.JSON,
		"generation_config.json": generationConfigJSON,
		"tokenizer.json":         f.words.tokenizerJSON,
		"tokenizer_config.json":  func() ([]byte, error) { return f.words.tokenizerConfigJSON(c.MaxPositionEmbeddings) },
	}
	params, stored := arch.Params(c), func(name string) string { return name }
	if f.vision != nil {
		files["config.json"] = func() ([]byte, error) { return f.vision.JSON(c) }
		params = append(params, arch.VisionParams(*f.vision, c.HiddenSize)...)
		stored = checkpoint.StoredName
	}
	for name, render := range files {
		data, err := render()
		if err != nil {
			return fault.Wrap(err, fault.Internal, "render %s", name)
		}
		if err := checkpoint.WriteBytes(filepath.Join(dir, name), append(data, '\n')); err != nil {
			return fault.Wrap(err, fault.Internal, "write %s", name)
		}
	}

	var file []checkpoint.Tensor
	for i, p := range params {
		values, err := tensors.CopyFlatData[float32](weights[i])
		if err != nil {
			return fault.Wrap(err, fault.Internal, "read %s from the device", p.Name)
		}
		file = append(file, checkpoint.Tensor{
			TensorInfo: checkpoint.TensorInfo{Name: stored(p.Name), DType: dtypes.BFloat16, Shape: p.Shape},
			Data:       bfloat16Bytes(values),
		})
	}
	path := filepath.Join(dir, "model.safetensors")
	if err := checkpoint.WriteSafetensors(path, file, map[string]string{"format": "pt"}); err != nil {
		return fault.Wrap(err, fault.Internal, "write the weights of %s", dir)
	}
	return nil
}

// generationConfigJSON says how the cast generates: greedily, up to the end token.
func generationConfigJSON() ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"bos_token_id": idBegin,
		"eos_token_id": idEnd,
		"do_sample":    false,
	}, "", "  ")
}

// bfloat16Bytes rounds values and lays them out as files have them: little-endian.
func bfloat16Bytes(values []float32) []byte {
	out := make([]byte, 0, 2*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint16(out, uint16(bfloat16.FromFloat32(v)))
	}
	return out
}
