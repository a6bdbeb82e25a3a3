package gateway

import (
	"net/http"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// messagesPath is where Anthropic's API begins; everything below it is theirs too.
const messagesPath = "/v1/messages"

// MessageError is the body of every failure on Anthropic's routes, and the data
// of an error event in a stream of theirs.
type MessageError struct {
	Type      string           `json:"type" enums:"error"`
	Error     MessageErrorBody `json:"error"`
	RequestID string           `json:"request_id"` // as in the header Request-Id
}

// MessageErrorBody says what went wrong, in Anthropic's form; param and code are
// what OpenAI's has beside it.
type MessageErrorBody struct {
	Type    string  `json:"type" enums:"invalid_request_error,authentication_error,permission_error,not_found_error,conflict_error,request_too_large,rate_limit_error,timeout_error,overloaded_error,api_error"`
	Message string  `json:"message" example:"max_tokens is missing"` // names the field at fault
	Param   *string `json:"param" extensions:"x-nullable"`           // the field of the request at fault, or null
	Code    string  `json:"code" example:"invalid"`
}

// speaksAnthropic tells whether a request is to be answered in Anthropic's
// terms: on its routes, and on those that both APIs have if the client says which
// one it means.
func speaksAnthropic(r *http.Request) bool {
	path, below := strings.CutPrefix(r.URL.Path, messagesPath)
	return below && (path == "" || path[0] == '/') || r.Header.Get("Anthropic-Version") != ""
}

// anthropic gives a failure in Anthropic's form; ref is the request's id.
func (e ErrorBody) anthropic(ref string) MessageError {
	status := answers[fault.Code(e.Code)].status
	body := MessageErrorBody{Type: anthropicType(status), Message: e.Message, Param: e.Param, Code: e.Code}
	if body.Param != nil && !strings.Contains(body.Message, *body.Param) {
		body.Message = *body.Param + ": " + body.Message // its clients show the message and nothing else
	}
	return MessageError{Type: "error", Error: body, RequestID: ref}
}

// anthropicType is Anthropic's name for what a status means.
func anthropicType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusConflict:
		return "conflict_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return typeLimit
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status < http.StatusInternalServerError {
		return typeRequest
	}
	return "api_error"
}
