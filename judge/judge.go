// Package judge asks a model that grades replies, at any server that speaks
// OpenAI's chat API. Which server and which model, whoever runs mergeway says: tasks
// may come from strangers, and only say what is asked.
package judge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/mergeway/mergeway/fault"
)

// Options say whom to ask, and how patiently.
type Options struct {
	URL     string        // of the API, such as https://judge.example.com/v1
	Model   string        // by the name that the server knows
	Key     string        // may be empty; it is sent to the URL and shown nowhere
	Timeout time.Duration // of one attempt. Default: 60 s
	Retries int           // of an attempt that failed for the moment. Default: 3; less than 0: none
	Tokens  int           // longest reply. Default: 512
}

// maxReplyBytes bounds what is read of a reply.
const maxReplyBytes = 4 << 20

// Judge is a model at an address. It is safe for concurrent use.
type Judge struct {
	client  openai.Client
	options Options
}

// New makes a judge. Nothing is asked yet.
func New(o Options) (*Judge, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fault.Bad("judge-url", "the judge's URL is not one of http or https, such as https://judge.example.com/v1")
	}
	if u.User != nil {
		return nil, fault.Bad("judge-url", "the judge's URL has a password in it: give the key apart")
	}
	if o.Model == "" {
		return nil, fault.Bad("judge-model", "a judge has a model: its name at the judge's URL is missing")
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Tokens == 0 {
		o.Tokens = 512
	}
	if o.Timeout < 0 || o.Tokens < 0 {
		return nil, fault.Bad("judge-timeout", "the limits of a judge are positive numbers")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // nothing but the URL says where the key goes
	return &Judge{options: o, client: openai.NewClient(
		option.WithBaseURL(o.URL),
		option.WithAPIKey(o.Key),
		option.WithOrganization(""), option.WithProject(""), // the client would take them from the environment
		option.WithMaxRetries(max(0, o.Retries)),
		option.WithRequestTimeout(o.Timeout),
		option.WithHTTPClient(&http.Client{
			Transport:     bounded{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	)}, nil
}

// Ask gives the judge's reply to one message, the same one as far as the server can.
func (j *Judge) Ask(ctx context.Context, message string) (string, error) {
	// Beyond the attempts, there are the pauses between them, which a server may
	// ask to be long.
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(max(0, j.options.Retries)+1)*j.options.Timeout+time.Minute, errSlow)
	defer cancel()
	reply, err := j.client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:       j.options.Model,
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.UserMessage(message)},
		Temperature: openai.Float(0),
		Seed:        openai.Int(0),
		MaxTokens:   openai.Int(int64(j.options.Tokens)),
	})
	if err == nil && len(reply.Choices) == 0 {
		err = errors.New("the reply has no choice")
	}
	if err != nil {
		return "", explain(ctx, err)
	}
	return reply.Choices[0].Message.Content, nil
}

var errSlow = errors.New("it took too long")

// explain says what went wrong without what the judge's server was sent, or says:
// the reason goes into records that many may read.
func explain(ctx context.Context, err error) error {
	var refused *openai.Error
	switch {
	case errors.As(err, &refused):
		return fault.New(fault.Unavailable, "the judge answers with status %d", refused.StatusCode)
	case errors.Is(context.Cause(ctx), errSlow):
		return fault.New(fault.Unavailable, "the judge did not answer: %v", errSlow)
	case ctx.Err() != nil:
		return fault.Wrap(ctx.Err(), fault.Cancelled, "the judge had not answered yet")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unavailable, "the judge did not answer: %v", errSlow)
	}
	var outside *url.Error
	if errors.As(err, &outside) {
		err = outside.Err // the URL is whoever runs the server's business
	}
	return fault.New(fault.Unavailable, "the judge can't be asked: %v", err)
}

// bounded reads no more of a reply than is sensible.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxReplyBytes}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a reply of more than %d bytes", maxReplyBytes)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
