package gateway

import (
	"context"
	"log/slog"

	"github.com/mergeway/mergeway/infer"
)

// maxLoggedPrompt is how many bytes of a prompt go to the log.
const maxLoggedPrompt = 4096

type requestIDContext struct{}

// withRequestID lets code that sees only a context name the request.
func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDContext{}, id)
}

// logPrompts writes prompts to the log as the model sees them, control tokens
// included. Only servers that are told to do so log what people write.
func (g *Gateway) logPrompts(ctx context.Context, m *infer.Model, prompts [][]int32) {
	if !g.prompts {
		return
	}
	id, _ := ctx.Value(requestIDContext{}).(string)
	for i, prompt := range prompts {
		g.log.InfoContext(ctx, "prompt", slog.String("request", id), slog.Int("index", i), slog.Int("tokens", len(prompt)),
			slog.String("text", clip(m.Tokenizer.Decode(prompt, false), maxLoggedPrompt)))
	}
}
