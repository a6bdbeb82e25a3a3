package gateway

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mergeway/mergeway/fault"
)

// maxBias is OpenAI's bound of a logit bias.
const maxBias = 100

// logitBias reads logit_bias, an object of token ids, which JSON can only write
// as strings, and numbers. Whether the model has such tokens is the engine's to
// say.
func logitBias(in map[string]*float64, l Limits) (map[int32]float32, error) {
	if len(in) > l.LogitBias {
		return nil, fault.Bad("logit_bias", "logit_bias has %d tokens: at most %d", len(in), l.LogitBias)
	}
	if len(in) == 0 {
		return nil, nil
	}
	out := make(map[int32]float32, len(in))
	for key, bias := range in {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 || strconv.FormatInt(id, 10) != key { // two spellings of one id would be two biases
			return nil, fault.Bad("logit_bias", "logit_bias has the key %q: keys are token ids", clip(key, 40))
		}
		if bias == nil || !(*bias >= -maxBias && *bias <= maxBias) {
			return nil, fault.Bad("logit_bias", "logit_bias of token %d must be a number between %d and %d", id, -maxBias, maxBias)
		}
		out[int32(id)] = float32(*bias)
	}
	return out, nil
}

// stopTokens reads stop_token_ids.
func stopTokens(in []*int64, l Limits) ([]int32, error) {
	if len(in) > l.StopTokens {
		return nil, fault.Bad("stop_token_ids", "%d stop_token_ids: at most %d", len(in), l.StopTokens)
	}
	var out []int32
	for i, id := range in {
		if id == nil || *id < 0 || *id > math.MaxInt32 {
			return nil, fault.Bad(fmt.Sprintf("stop_token_ids[%d]", i), "stop_token_ids[%d] is not a token id", i)
		}
		out = append(out, int32(*id))
	}
	return out, nil
}
