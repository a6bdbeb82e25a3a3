package checkpoint

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// DefaultShardBytes is how large a file of weights grows before the next one
// begins. Hubs and their tools are made for files of about this size.
const DefaultShardBytes = 5 << 30

// Shard is a file of weights.
type Shard struct {
	Name    string
	Tensors []TensorInfo // as they follow each other
}

// Shards divides the weights of a Hugging Face folder into files:
// model.safetensors, or where they take more than shardBytes several. Tensors are
// not divided: one that is larger has a file of its own.
func Shards(infos []TensorInfo, shardBytes int64) []Shard {
	parts := divide(byName(infos), shardBytes)
	if len(parts) == 1 {
		return []Shard{{WeightsFile, parts[0]}}
	}
	shards := make([]Shard, len(parts))
	for i, tensors := range parts {
		shards[i] = Shard{fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts)), tensors}
	}
	return shards
}

// WriteShard writes one of the [Shards] of a folder, and gives its sum. Each
// tensor's bytes are asked for when it is written, as in [StreamSafetensors].
func WriteShard(dir string, shard Shard, data func(TensorInfo) ([]byte, error)) (Sum, error) {
	metadata := map[string]string{"format": "pt"} // transformers insists on it
	return streamSafetensors(filepath.Join(dir, shard.Name), shard.Tensors, metadata, data)
}

// WriteIndex writes what says which tensor is in which file, if there are several.
func WriteIndex(dir string, shards []Shard) error {
	if len(shards) == 1 {
		return nil
	}
	var index struct {
		Metadata struct {
			TotalSize int64 `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}
	index.WeightMap = map[string]string{}
	for _, shard := range shards {
		for _, t := range shard.Tensors {
			if _, twice := index.WeightMap[t.Name]; twice {
				return fmt.Errorf("tensor %q comes twice", t.Name)
			}
			index.WeightMap[t.Name] = shard.Name
			index.Metadata.TotalSize += t.StoredBytes()
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
