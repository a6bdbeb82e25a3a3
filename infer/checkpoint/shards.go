package checkpoint

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// DefaultShardBytes is how large a file of weights grows before the next one
// begins. Hubs and their tools are made for files of about this size.
const DefaultShardBytes = 5 << 30

// WriteWeights writes the weights of a Hugging Face folder: model.safetensors,
// or where they take more than shardBytes several files and their index. Tensors
// are not divided: one that is larger has a file of its own. Each tensor's bytes
// are asked for when it is written, as in [StreamSafetensors].
func WriteWeights(dir string, infos []TensorInfo, shardBytes int64, data func(TensorInfo) ([]byte, error)) error {
	metadata := map[string]string{"format": "pt"} // transformers insists on it
	shards := divide(byName(infos), shardBytes)
	if len(shards) == 1 {
		return StreamSafetensors(filepath.Join(dir, WeightsFile), shards[0], metadata, data)
	}
	var index struct {
		Metadata struct {
			TotalSize int64 `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}
	index.WeightMap = make(map[string]string, len(infos))
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		for _, t := range shard {
			if _, twice := index.WeightMap[t.Name]; twice {
				return fmt.Errorf("tensor %q comes twice", t.Name)
			}
			index.WeightMap[t.Name] = name
			index.Metadata.TotalSize += t.StoredBytes()
		}
		if err := StreamSafetensors(filepath.Join(dir, name), shard, metadata, data); err != nil {
			return err
		}
	}
	body, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return WriteBytes(filepath.Join(dir, indexFile), append(body, '\n'))
}

// divide cuts a list of tensors into runs of at most so many bytes, or of one
// tensor.
func divide(infos []TensorInfo, limit int64) [][]TensorInfo {
	shards := [][]TensorInfo{nil}
	var bytes int64
	for _, t := range infos {
		last := len(shards) - 1
		if len(shards[last]) > 0 && bytes+t.StoredBytes() > limit {
			shards, bytes, last = append(shards, nil), 0, last+1
		}
		shards[last] = append(shards[last], t)
		bytes += t.StoredBytes()
	}
	return shards
}
