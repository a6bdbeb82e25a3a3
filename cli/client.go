package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/fault"
)

// client talks to a running gateway as any client does.
type client struct{ url, key string }

func (c *client) bind(f *pflag.FlagSet) {
	f.StringVar(&c.url, "url", "http://"+defaultAddr, "the gateway")
	f.StringVar(&c.key, "api-key", "", "API key, better given as MERGEWAY_API_KEY")
}

// send makes a request with a JSON body, or with none, and gives the reply of one
// that succeeds.
func (c client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var data io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.url, "/")+path, data)
	if err != nil {
		return nil, usageError{fmt.Errorf("--url: %w", err)}
	}
	request.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "no gateway answers at %s (start one with mergeway serve)", c.url)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close()
		return nil, refusal(response)
	}
	return response, nil
}

// call is send for replies that are one JSON value.
func (c client) call(ctx context.Context, method, path string, body, into any) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("the gateway's reply can't be read: %w", err)
	}
	return nil
}

// apiError is the API's error envelope.
type apiError struct {
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// refusal reads the error of a reply.
func refusal(response *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	var e apiError
	if json.Unmarshal(data, &e) == nil && e.Error != nil {
		return errors.New(e.Error.Message)
	}
	return fmt.Errorf("the gateway answers with status %s", response.Status)
}
