package gateway

import (
	"errors"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// itemName is what an item is called in the request that it came with.
type itemName struct {
	param string // "input[2]"
	whole bool   // its fields have no names there: it was a mere string, or is a stored one
}

// of names a field of the item.
func (n itemName) of(field string) string {
	if n.whole {
		return n.param
	}
	return n.param + field
}

// messageName says which items a message of a chat was made of.
type messageName struct {
	item   itemName
	calls  []itemName // of each of its tool calls
	output bool       // the item is what a function gave
	items  []int      // their places in the conversation
}

// responseNames says what the fields of a chat are called in the request for a
// response that the chat was made from.
type responseNames []messageName // of each message

// inResponses puts the request's own names into an error about the chat.
func (n responseNames) inResponses(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Param == "" {
		return err
	}
	renamed := *f
	renamed.Param = n.of(f.Param)
	phrase := renamed.Param
	if _, field, ok := cutIndex(strings.TrimPrefix(f.Param, "messages")); ok && field != "" && !strings.ContainsAny(phrase, ".[") {
		phrase += " (" + field[1:] + ")" // which has no name of its own in the request
	}
	if strings.ContainsAny(f.Param, ".[_") { // "messages" alone is a word of English, too
		renamed.Message = strings.ReplaceAll(renamed.Message, f.Param, phrase)
	}
	renamed.Message = chatWords.Replace(renamed.Message)
	return &renamed
}

// chatWords are what is called otherwise in chats, or there only.
var chatWords = strings.NewReplacer(
	"max_completion_tokens", "max_output_tokens",
	"max_tokens", "max_output_tokens",
	"response_format", "text.format",
	", tokens or choices, or for a stream", " or tokens", // a streamed response ends with all of its log probabilities
)

// of renames one field.
func (n responseNames) of(param string) string {
	field, rest := param, ""
	if end := strings.IndexAny(param, ".["); end >= 0 {
		field, rest = param[:end], param[end:]
	}
	switch field {
	case "messages":
		return n.ofMessage(rest)
	case "max_completion_tokens", "max_tokens":
		return "max_output_tokens"
	case "logprobs":
		return "include"
	case "response_format":
		return "text.format" + strings.TrimPrefix(rest, ".json_schema")
	case "tools", "tool_choice":
		return field + strings.Replace(rest, ".function", "", 1)
	}
	return param
}

// ofMessage renames what follows "messages": "[2].content", or nothing.
func (n responseNames) ofMessage(path string) string {
	i, field, ok := cutIndex(path)
	if !ok || i >= len(n) {
		return "input"
	}
	name := n[i]
	calls, inCalls := strings.CutPrefix(field, ".tool_calls")
	switch j, field, ok := cutIndex(calls); {
	case inCalls && ok && j < len(name.calls):
		return name.calls[j].of(strings.Replace(strings.Replace(field, ".function", "", 1), ".id", ".call_id", 1))
	case inCalls && len(name.calls) > 0:
		return name.calls[0].of("")
	case field == ".tool_call_id":
		return name.item.of(".call_id")
	case strings.HasPrefix(field, ".content[") && strings.Contains(field, ".image_url"): // which are one there
		return name.item.of(strings.NewReplacer(".image_url.detail", ".detail", ".image_url.url", ".image_url").Replace(field))
	case name.output && strings.HasPrefix(field, ".content"):
		return name.item.of(".output")
	}
	return name.item.of(field)
}

// cutIndex cuts "[2].content" into 2 and ".content".
func cutIndex(path string) (i int, rest string, ok bool) {
	number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
	if !ok || !strings.HasPrefix(path, "[") {
		return 0, path, false
	}
	i, err := strconv.Atoi(number)
	return i, rest, err == nil && i >= 0
}

// inputName is what the i-th item of the input is called.
func inputName(i int) itemName { return itemName{param: indexed("input", i)} }

func indexed(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
