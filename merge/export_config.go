package merge

import (
	"encoding/json"
	"strconv"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// stackKeys are the keys of config.json that depend on which blocks there are.
var stackKeys = []string{"num_hidden_layers", "sliding_window", "use_sliding_window", "layer_types"}

// windowLayersKey is another one, of Qwen's, which layer_types goes before.
const windowLayersKey = "max_window_layers"

// exportedConfig is the parent's config.json, whatever it holds, with the dtype
// of the merged weights. Of a model that has other blocks than its parent, it
// says which, and of one with another vocabulary how large that is.
func exportedConfig(o ExportOptions, r Recipe, c checkpoint.Config, dtype dtypes.DType) ([]byte, error) {
	data, err := checkpoint.ReadSmall(o.Parent, checkpoint.ConfigFile, maxLentFile)
	if err != nil {
		return nil, err
	}
	config, err := members(checkpoint.ConfigFile, data)
	if err != nil {
		return nil, err
	}
	if r.words() != nil {
		config["vocab_size"] = json.RawMessage(strconv.Itoa(c.VocabSize))
	}
	if o.lends() {
		if err := takeTokenIDs(config, o.Lender, checkpoint.ConfigFile); err != nil {
			return nil, err
		}
	}
	key := "torch_dtype"
	if _, newer := config["dtype"]; newer { // transformers 5
		key = "dtype"
	}
	config[key] = json.RawMessage(`"` + checkpoint.TorchDType(dtype) + `"`)
	stacked := r.blocks() != nil
	if stacked {
		if err := stackConfig(config, c, dtype); err != nil {
			return nil, err
		}
	}
	if data, err = indented(config); err != nil {
		return nil, err
	}
	if stacked {
		err = sameBlocks(data, c)
	}
	return data, err
}

// stackConfig puts into a parent's config.json what a merged model's says of its
// blocks.
func stackConfig(config map[string]json.RawMessage, c checkpoint.Config, dtype dtypes.DType) error {
	c.DType = dtype
	own, err := c.JSON()
	if err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(own, &keys); err != nil {
		return err
	}
	for _, key := range stackKeys {
		if value, there := keys[key]; there {
			config[key] = value
		} else {
			delete(config, key)
		}
	}
	if _, there := config[windowLayersKey]; there {
		whole := 0
		for i := range c.NumHiddenLayers {
			if c.Window(i) == 0 {
				whole++
			}
		}
		config[windowLayersKey], err = json.Marshal(whole)
	}
	return err
}

// sameBlocks refuses a config.json that doesn't say what the model's blocks are:
// not every family has words for windows that differ from block to block.
func sameBlocks(data []byte, c checkpoint.Config) error {
	written, err := checkpoint.ParseConfig(data)
	if err != nil {
		return err
	}
	for i := range c.NumHiddenLayers {
		if written.NumHiddenLayers != c.NumHiddenLayers || written.Window(i) != c.Window(i) {
			return fault.New(fault.Unfit, "the config.json of a %s can't say that block %d sees %d positions (0: all) and others another number: such a model can be served, and not exported",
				c.ModelType, i, c.Window(i))
		}
	}
	return nil
}
