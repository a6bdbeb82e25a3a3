package gateway

import (
	"context"
	"sort"

	"github.com/mergeway/mergeway/infer"
)

// shorten makes the job leave out the oldest turns of a conversation that is too
// long for the model, as truncation: auto asks for. What is left begins with a
// user's message; system messages stay. It has to leave room for a reply: for
// max_output_tokens, but for no more than half of the context, or without them for
// a quarter.
func (g *Gateway) shorten(x *exchange, request ChatRequest) {
	whole := x.job.encode
	x.job.encode = func(ctx context.Context, m *infer.Model, e eyes) (prompts, error) {
		size := g.engine.Context(m.Weights.Config())
		room := size / 4
		if request.MaxCompletionTokens != nil {
			room = min(*request.MaxCompletionTokens, size/2)
		}
		read, err := whole(ctx, m, e)
		if err != nil || len(read.ids[0])+room <= size {
			return read, err
		}
		cuts := userTurns(request.Messages)
		encode := func(cut int) (conversation, prompts, error) {
			left := x.after(request.Messages, cut)
			shorter := request
			shorter.Messages = left.messages
			j, err := g.chatJob(shorter)
			if err != nil {
				return left, prompts{}, left.names.inResponses(err)
			}
			read, err := j.encode(ctx, m, e)
			return left, read, left.names.inResponses(err)
		}
		// The fewest turns left out that will do; all but the last, if none will.
		n := sort.Search(len(cuts)-1, func(i int) bool {
			_, read, tried := encode(cuts[i])
			if tried != nil {
				err = tried
			}
			return tried != nil || len(read.ids[0])+room <= size
		})
		if err != nil || len(cuts) == 0 {
			return read, err
		}
		left, read, err := encode(cuts[n])
		x.input, x.names = left.input, left.names
		return read, err
	}
}

// conversation is a chat with what it was made of.
type conversation struct {
	input    responseInput
	messages []ChatMessage
	names    responseNames
}

// after gives the conversation from one message on, and the system messages
// before it.
func (x *exchange) after(messages []ChatMessage, cut int) conversation {
	var out conversation
	for i, m := range messages {
		if i < cut && m.Role != "system" && m.Role != "developer" {
			continue
		}
		out.messages = append(out.messages, m)
		out.names = append(out.names, x.names[i])
		for _, item := range x.names[i].items {
			out.input.add(x.input.items[item], x.input.names[item])
		}
	}
	return out
}

// userTurns are the places of the users' messages.
func userTurns(messages []ChatMessage) []int {
	var all []int
	for i, m := range messages {
		if m.Role == "user" {
			all = append(all, i)
		}
	}
	return all
}
