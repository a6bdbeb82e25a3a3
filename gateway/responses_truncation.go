package gateway

import (
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
	x.job.encode = func(m *infer.Model) ([][]int32, error) {
		context := g.engine.Context(m.Weights.Config())
		room := context / 4
		if request.MaxCompletionTokens != nil {
			room = min(*request.MaxCompletionTokens, context/2)
		}
		prompts, err := whole(m)
		if err != nil || len(prompts[0])+room <= context {
			return prompts, err
		}
		cuts := userTurns(request.Messages)
		encode := func(cut int) (conversation, [][]int32, error) {
			left := x.after(request.Messages, cut)
			shorter := request
			shorter.Messages = left.messages
			j, err := g.chatJob(shorter)
			if err != nil {
				return left, nil, left.names.inResponses(err)
			}
			prompts, err := j.encode(m)
			return left, prompts, left.names.inResponses(err)
		}
		// The fewest turns left out that will do; all but the last, if none will.
		n := sort.Search(len(cuts)-1, func(i int) bool {
			_, prompts, tried := encode(cuts[i])
			if tried != nil {
				err = tried
			}
			return tried != nil || len(prompts[0])+room <= context
		})
		if err != nil || len(cuts) == 0 {
			return prompts, err
		}
		left, prompts, err := encode(cuts[n])
		x.input, x.names = left.input, left.names
		return prompts, err
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
