package gateway

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// requireMessageError checks that a reply is Anthropic's envelope, and what it says.
func (r reply) requireMessageError(t *testing.T, status int, kind, param string) MessageErrorBody {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	var e MessageError
	r.into(t, &e)
	require.Equal(t, "error", e.Type)
	require.Equal(t, r.header.Get("Request-Id"), e.RequestID)
	require.NotEmpty(t, e.RequestID)
	require.Equal(t, kind, e.Error.Type, e.Error.Message)
	require.NotEmpty(t, e.Error.Code)
	require.NotEmpty(t, e.Error.Message)
	if param == "" {
		require.Nil(t, e.Error.Param)
	} else {
		require.NotNil(t, e.Error.Param, e.Error.Message)
		require.Equal(t, param, *e.Error.Param)
		require.Contains(t, e.Error.Message, param, "the message names the field")
	}
	return e.Error
}

func TestMessageFailuresHaveAnthropicsTypes(t *testing.T) {
	for _, c := range []struct {
		code   fault.Code
		status int
		kind   string
	}{
		{fault.Unfit, 422, "invalid_request_error"},
		{fault.Busy, 429, "rate_limit_error"},
		{fault.Unavailable, 503, "overloaded_error"},
		{fault.OutOfMemory, 503, "overloaded_error"},
		{fault.TooLarge, 413, "request_too_large"},
		{fault.Internal, 500, "api_error"},
		{fault.Damaged, 500, "api_error"},
		{forbidden, 403, "permission_error"},
		{timedOut, 504, "timeout_error"},
	} {
		for _, stream := range []string{"false", "true"} {
			b := newBench(t)
			b.catalog.acquire = func(context.Context, string) error { return fault.New(c.code, "no") }
			r := b.send("POST", messagesPath, converse(`"stream": `+stream))
			e := r.requireMessageError(t, c.status, c.kind, "")
			require.Equal(t, string(c.code), e.Code)
		}
	}
}

// Whatever stands before the handler answers in the client's terms too.
func TestWhoSpeaksAnthropicIsAnsweredSo(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"key"}; o.Limits.BodyBytes = 1000 })
	key := header("X-Api-Key", "key")
	require.Equal(t, 200, b.send("POST", messagesPath, converse(""), key).status)
	b.send("POST", messagesPath, converse("")).requireMessageError(t, 401, "authentication_error", "")
	b.send("POST", messagesPath, converse(""), header("X-Api-Key", "other")).requireMessageError(t, 401, "authentication_error", "")
	b.send("POST", messagesPath, converse(`"metadata": "`+strings.Repeat("x", 1000)+`"`), key).requireMessageError(t, 413, "request_too_large", "")
	b.send("POST", messagesPath, converse(""), key, header("Content-Type", "text/plain")).requireMessageError(t, 415, "invalid_request_error", "")
	b.send("GET", messagesPath, "", key).requireMessageError(t, 405, "invalid_request_error", "")
	b.send("POST", messagesPath+"/batches", "", key).requireMessageError(t, 404, "not_found_error", "")
	b.send("GET", "/v1/models/none", "", key, header("Anthropic-Version", "2023-06-01")).requireMessageError(t, 404, "not_found_error", "model")
	b.send("GET", "/v1/models/none", "", key).requireError(t, 404, "model_not_found", "model")
	b.send("POST", "/v1/messagesque", "", key).requireError(t, 404, "route_not_found", "")
	b.gateway.Drain()
	b.send("POST", messagesPath, converse(""), key).requireMessageError(t, 503, "overloaded_error", "")
}
