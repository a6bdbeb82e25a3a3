package gateway

import (
	"encoding/json"
	"fmt"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// prompt is text, or token ids.
type prompt struct {
	text string
	ids  []int32
}

// readPrompts reads the four forms of a prompt, which the field param holds.
func readPrompts(raw json.RawMessage, param string) ([]prompt, error) {
	if isNull(raw) {
		return nil, fault.Bad(param, "%s is missing", param)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []prompt{{text: text}}, nil
	}
	if ids, ok := tokenIDs(raw); ok {
		return []prompt{{ids: ids}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fault.Bad(param, "%s must be a string, a list of strings, a list of token ids or a list of lists of token ids", param)
	}
	prompts := make([]prompt, len(list))
	for i, entry := range list {
		if ids, ok := tokenIDs(entry); ok {
			prompts[i].ids = ids
		} else if isNull(entry) || json.Unmarshal(entry, &prompts[i].text) != nil {
			at := fmt.Sprintf("%s[%d]", param, i)
			return nil, fault.Bad(at, "%s is neither a string nor a list of token ids", at)
		}
	}
	return prompts, nil
}

// tokenIDs reads a list of at least one token id.
func tokenIDs(raw json.RawMessage) ([]int32, bool) {
	var list []*int32 // pointers, so that null is seen and refused
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, false
	}
	ids := make([]int32, len(list))
	for i, id := range list {
		if id == nil {
			return nil, false
		}
		ids[i] = *id
	}
	return ids, true
}

// encodePrompts gives each prompt in the model's tokens. Ids are believed only
// as far as the vocabulary reaches. Errors name the field that holds them.
func (g *Gateway) encodePrompts(m *infer.Model, prompts []prompt, param string) ([][]int32, error) {
	out := make([][]int32, len(prompts))
	for i, p := range prompts {
		ids, err := g.encodeText(m, p.text, p.ids)
		if err != nil {
			return nil, asParamFault(err, param)
		}
		out[i] = ids
	}
	return out, nil
}
