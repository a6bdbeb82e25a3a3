package gateway

import (
	"strings"
	"time"

	"github.com/mergeway/mergeway/infer"
)

// Where a response or an item stands.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
)

// responseOutput makes the items of a reply out of its pieces, and tells of each
// step. One item is open at a time.
type responseOutput struct {
	ids  *responseIDs
	tell func(ResponseEvent) error

	items    []ResponseItem // that have ended
	open     *ResponseItem  // the one that pieces are added to; nil: none
	call     int            // which call of the reply it is, if it is one
	text     strings.Builder
	logprobs []ChatTokenLogprob
}

// addText adds to the message that is open, or begins one.
func (o *responseOutput) addText(text string, logprobs []ChatTokenLogprob) error {
	if o.open == nil || o.inCall() {
		if err := o.beginMessage(); err != nil {
			return err
		}
	}
	o.text.WriteString(text)
	o.logprobs = append(o.logprobs, logprobs...)
	if logprobs == nil {
		logprobs = []ChatTokenLogprob{}
	}
	return o.tellOf(ResponseEvent{Type: "response.output_text.delta", ContentIndex: new(int), Delta: &text, Logprobs: logprobs})
}

func (o *responseOutput) beginMessage() error {
	if err := o.begin(ResponseItem{ID: o.ids.next("msg"), Type: "message", Role: "assistant", Content: []ResponsePart{}}); err != nil {
		return err
	}
	part := outputText("", nil)
	return o.tellOf(ResponseEvent{Type: "response.content_part.added", ContentIndex: new(int), Part: &part})
}

// addCall adds to the call that is open, or begins one.
func (o *responseOutput) addCall(d ToolCallDelta) error {
	if !o.inCall() || o.call != d.Index {
		empty := ""
		item := ResponseItem{ID: o.ids.next("fc"), Type: "function_call", CallID: d.ID, Name: d.Function.Name, Arguments: &empty}
		if err := o.begin(item); err != nil {
			return err
		}
		o.call = d.Index
	}
	if d.Function.Arguments == "" {
		return nil
	}
	o.text.WriteString(d.Function.Arguments)
	return o.tellOf(ResponseEvent{Type: "response.function_call_arguments.delta", Delta: &d.Function.Arguments})
}

// inCall tells whether the open item is a call.
func (o *responseOutput) inCall() bool { return o.open != nil && o.open.Type == "function_call" }

// begin ends the open item and opens another.
func (o *responseOutput) begin(item ResponseItem) error {
	if err := o.end(statusCompleted); err != nil {
		return err
	}
	item.Status = statusInProgress
	o.open = &item
	index := len(o.items)
	return o.tell(ResponseEvent{Type: "response.output_item.added", OutputIndex: &index, Item: &item})
}

// end closes the open item, if there is one.
func (o *responseOutput) end(status string) error {
	if o.open == nil {
		return nil
	}
	item, text := *o.open, o.text.String()
	item.Status = status
	var last []ResponseEvent
	if !o.inCall() {
		part := outputText(text, o.logprobs)
		item.Content = []ResponsePart{part}
		last = []ResponseEvent{
			{Type: "response.output_text.done", ContentIndex: new(int), Text: &text, Logprobs: part.Logprobs},
			{Type: "response.content_part.done", ContentIndex: new(int), Part: &part},
		}
	} else {
		item.Arguments = &text
		last = []ResponseEvent{{Type: "response.function_call_arguments.done", Arguments: &text}}
	}
	for _, e := range last {
		if err := o.tellOf(e); err != nil {
			return err
		}
	}
	index := len(o.items)
	o.items, o.open, o.logprobs = append(o.items, item), nil, nil
	o.text.Reset()
	return o.tell(ResponseEvent{Type: "response.output_item.done", OutputIndex: &index, Item: &item})
}

// tellOf tells something about the open item.
func (o *responseOutput) tellOf(e ResponseEvent) error {
	index := len(o.items)
	e.ItemID, e.OutputIndex = o.open.ID, &index
	return o.tell(e)
}

// finish ends the last item and puts all into the response. A reply that is
// nothing at all is an empty message.
func (o *responseOutput) finish(reply *Response, reason string, usage Usage) error {
	if o.open == nil && len(o.items) == 0 {
		if err := o.beginMessage(); err != nil {
			return err
		}
	}
	status := statusCompleted
	if reason == infer.FinishLength {
		status = statusIncomplete
		reply.IncompleteDetails = &IncompleteDetails{Reason: "max_output_tokens"}
	}
	if err := o.end(status); err != nil {
		return err
	}
	if status == statusCompleted {
		now := time.Now().Unix()
		reply.CompletedAt = &now
	}
	reply.Status, reply.Output, reply.Usage = status, o.items, newResponseUsage(usage)
	return nil
}

// tokensOf gives the tokens that a text begins with: those after it are of calls.
// A reply loses the spaces that its first tokens begin with.
func tokensOf(text string, tokens []ChatTokenLogprob) []ChatTokenLogprob {
	left, begun := len(strings.TrimLeft(text, " ")), false
	for i, t := range tokens {
		if left <= 0 {
			return tokens[:i]
		}
		for _, b := range t.Bytes {
			if begun = begun || b != ' '; begun {
				left--
			}
		}
	}
	return tokens
}
