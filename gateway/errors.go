package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/merge"
)

// Failures that only exist at this border. They share the type of the rooms'
// codes so that one table answers for all of them.
const (
	modelNotFound     fault.Code = "model_not_found"
	contextLength     fault.Code = "context_length_exceeded"
	invalidKey        fault.Code = "invalid_api_key"
	forbidden         fault.Code = "forbidden_origin"
	insufficientScope fault.Code = "insufficient_scope"
	rateLimited       fault.Code = "rate_limit_exceeded"
	noRoute           fault.Code = "route_not_found"
	noMethod          fault.Code = "method_not_allowed"
	notJSON           fault.Code = "unsupported_media_type"
	timedOut          fault.Code = "timeout"
	slowBody          fault.Code = "request_timeout"
	unsupported       fault.Code = "unsupported_parameter"
	previousNotFound  fault.Code = "previous_response_not_found"
	hasChanged        fault.Code = "precondition_failed"
)

// OpenAI's words for who is to blame.
const (
	typeRequest    = "invalid_request_error"
	typePermission = "permission_error"
	typeLimit      = "rate_limit_error"
	typeServer     = "server_error"
)

// statusClientGone is what the log says of a client that hung up. Nobody is
// left to read it on the wire.
const statusClientGone = 499

// answer is how one kind of failure looks over HTTP.
type answer struct {
	status int
	kind   string        // OpenAI's error.type; error.code is the fault code
	retry  time.Duration // the Retry-After of a failure that may pass by itself
	hide   bool          // the message is for the log, not for strangers
}

// answers is the one place that turns failures into HTTP. A code that is not
// here is answered like [fault.Internal].
var answers = map[fault.Code]answer{
	fault.Invalid:     {status: http.StatusBadRequest, kind: typeRequest},
	unsupported:       {status: http.StatusBadRequest, kind: typeRequest},
	contextLength:     {status: http.StatusBadRequest, kind: typeRequest},
	previousNotFound:  {status: http.StatusBadRequest, kind: typeRequest},
	invalidKey:        {status: http.StatusUnauthorized, kind: typeRequest},
	forbidden:         {status: http.StatusForbidden, kind: typeRequest},
	insufficientScope: {status: http.StatusForbidden, kind: typePermission},
	fault.NotFound:    {status: http.StatusNotFound, kind: typeRequest},
	modelNotFound:     {status: http.StatusNotFound, kind: typeRequest},
	noRoute:           {status: http.StatusNotFound, kind: typeRequest},
	noMethod:          {status: http.StatusMethodNotAllowed, kind: typeRequest},
	slowBody:          {status: http.StatusRequestTimeout, kind: typeRequest},
	fault.Conflict:    {status: http.StatusConflict, kind: typeRequest},
	hasChanged:        {status: http.StatusPreconditionFailed, kind: typeRequest},
	fault.TooLarge:    {status: http.StatusRequestEntityTooLarge, kind: typeRequest},
	notJSON:           {status: http.StatusUnsupportedMediaType, kind: typeRequest},
	fault.Unfit:       {status: http.StatusUnprocessableEntity, kind: typeRequest},
	fault.Busy:        {status: http.StatusTooManyRequests, kind: typeLimit, retry: time.Second},
	rateLimited:       {status: http.StatusTooManyRequests, kind: typeLimit, retry: time.Second},
	fault.Cancelled:   {status: statusClientGone, kind: typeRequest},
	fault.Internal:    {status: http.StatusInternalServerError, kind: typeServer, hide: true},
	fault.Damaged:     {status: http.StatusInternalServerError, kind: typeServer},
	fault.Unavailable: {status: http.StatusServiceUnavailable, kind: typeServer, retry: 2 * time.Second},
	fault.OutOfMemory: {status: http.StatusServiceUnavailable, kind: typeServer, retry: 5 * time.Second},
	timedOut:          {status: http.StatusGatewayTimeout, kind: typeServer},
}

// ErrorReply is the body of every reply that isn't a success.
type ErrorReply struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody says what went wrong, in OpenAI's form.
type ErrorBody struct {
	Message string  `json:"message" example:"model 'gpt-5' does not exist"`
	Type    string  `json:"type" enums:"invalid_request_error,permission_error,rate_limit_error,server_error"`
	Param   *string `json:"param" extensions:"x-nullable"` // the field of the request at fault, or null
	Code    string  `json:"code" example:"model_not_found"`

	Details []merge.Problem `json:"details,omitempty"` // of models that can't be merged: every reason
}

// maxErrorMessage bounds what an error repeats of its request.
const maxErrorMessage = 2000

// explain turns any error into its HTTP answer and the body to send. ref is
// the request's id, which lets a stranger ask about an error that only the log
// explains.
func explain(err error, ref string) (answer, ErrorReply) {
	code := codeOf(err)
	a, known := answers[code]
	if !known {
		code, a = fault.Internal, answers[fault.Internal]
	}
	body := ErrorBody{Type: a.kind, Code: string(code)}
	var f *fault.Error
	switch {
	case a.hide:
		body.Message = "internal error; the server's log explains it under request id " + ref
	case errors.As(err, &f) && a.status >= http.StatusInternalServerError:
		body.Message = f.Message // the cause may name things on the server
	default:
		body.Message = err.Error()
	}
	body.Message = clip(body.Message, maxErrorMessage)
	if f != nil && f.Param != "" {
		body.Param = &f.Param
	}
	var misfit *merge.Misfit
	if errors.As(err, &misfit) && a.status < http.StatusInternalServerError {
		body.Details = misfit.Problems
	}
	return a, ErrorReply{Error: body}
}

// codeOf is [fault.CodeOf] that also knows the errors of net/http and context.
func codeOf(err error) fault.Code {
	var tooBig *http.MaxBytesError
	var f *fault.Error
	switch {
	case errors.As(err, &tooBig):
		return fault.TooLarge
	case errors.As(err, &f) && f.Code != fault.Cancelled:
		return f.Code
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case errors.Is(err, context.Canceled):
		return fault.Cancelled
	}
	return fault.CodeOf(err)
}

// asModelFault gives a failure to find or use a model the codes that OpenAI's
// clients look for.
func asModelFault(err error, model string) error {
	var f *fault.Error
	switch code := codeOf(err); {
	case code == fault.Conflict && errors.As(err, &f) && f.Param == "": // the name of several recipes
		return &fault.Error{Code: code, Param: "model", Message: f.Message, Err: f.Err}
	case code != fault.NotFound:
		return err
	}
	return &fault.Error{Code: modelNotFound, Param: "model", Message: "the model " + strconv.Quote(model) + " does not exist"}
}

// asPromptFault names the request's own field where the engine blames the
// prompt, and gives a prompt that is too long OpenAI's code.
func asPromptFault(err error, param string) error {
	var f *fault.Error
	switch {
	case !errors.As(err, &f):
		return err
	case errors.Is(err, infer.ErrContextLength):
		return &fault.Error{Code: contextLength, Param: param, Message: f.Message}
	case f.Param == "messages" || f.Param == "prompt":
		return &fault.Error{Code: f.Code, Param: param, Message: f.Message, Err: f.Err}
	}
	return err
}

// fail answers a request with an error: the envelope while nothing has been
// sent, an error event once a stream has begun. Both have the form that the
// client knows, OpenAI's or Anthropic's.
func (g *Gateway) fail(c *gin.Context, err error) {
	id := requestID(c)
	a, body := explain(err, id)
	_ = c.Error(err) // for the access log
	switch {
	case a.status >= http.StatusInternalServerError && codeOf(err) != timedOut:
		g.log.LogAttrs(c, slog.LevelError, "request failed", slog.String("request", id), slog.Any("error", err))
	case c.Writer.Written() && a.status != statusClientGone:
		g.log.LogAttrs(c, slog.LevelWarn, "stream failed", slog.String("request", id), slog.Any("error", err))
	}
	if c.Writer.Written() {
		if s, ok := c.Value(streamKey).(*eventStream); ok && a.status != statusClientGone {
			_ = s.fail(body)
		}
		c.Abort()
		return
	}
	if a.retry > 0 && c.Writer.Header().Get("Retry-After") == "" {
		c.Header("Retry-After", strconv.Itoa(int(a.retry.Seconds())))
	}
	if a.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.Abort()
	if speaksAnthropic(c.Request) {
		c.PureJSON(a.status, body.Error.anthropic(id))
		return
	}
	c.PureJSON(a.status, body)
}

// handle adapts a handler that returns an error to Gin.
func (g *Gateway) handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			g.fail(c, err)
		}
	}
}

// clip shortens text to at most n bytes without cutting a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
