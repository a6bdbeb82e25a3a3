package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

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
// included. Only servers that are told to do so log what people write; what they
// show is told as a number of tokens.
func (g *Gateway) logPrompts(ctx context.Context, m *infer.Model, read prompts) {
	if !g.prompts {
		return
	}
	id, _ := ctx.Value(requestIDContext{}).(string)
	for i, prompt := range read.ids {
		g.log.InfoContext(ctx, "prompt", slog.String("request", id), slog.Int("index", i), slog.Int("tokens", len(prompt)),
			slog.String("text", clip(redacted(m, prompt, read), maxLoggedPrompt)))
	}
}

// redacted is the text of a prompt with a note in the place of each picture.
func redacted(m *infer.Model, prompt []int32, read prompts) string {
	var text strings.Builder
	for _, p := range read.pictures {
		at := slices.Index(prompt, read.image)
		if at < 0 {
			break
		}
		fmt.Fprintf(&text, "%s[a picture of %d tokens]", m.Tokenizer.Decode(prompt[:at], false), p.Tokens())
		prompt = prompt[min(at+p.Tokens(), len(prompt)):]
	}
	return text.String() + m.Tokenizer.Decode(prompt, false)
}
