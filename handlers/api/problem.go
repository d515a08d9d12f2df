package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/backend"
	"callwatch/rules"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"

	// retryAfter is how many seconds a client is asked to wait after a 503.
	retryAfter = "5"
)

// ProblemDetails is an error answer as of RFC 9457.
type ProblemDetails struct {
	Type     string         `json:"type" doc:"always about:blank: title and status tell the kind"`
	Title    string         `json:"title" doc:"what went wrong, in a few words"`
	Status   int            `json:"status" doc:"the HTTP status"`
	Detail   string         `json:"detail" doc:"what went wrong this time"`
	Problems rules.Problems `json:"problems,omitempty" doc:"of an expression or of rules, with the place of each"`
}

// Error is the title.
func (p *ProblemDetails) Error() string { return p.Title }

// GetStatus is the status of the answer.
func (p *ProblemDetails) GetStatus() int { return p.Status }

// ContentType is that of the answer.
func (p *ProblemDetails) ContentType(string) string { return problemType }

// GetHeaders are further headers of the answer.
func (p *ProblemDetails) GetHeaders() http.Header {
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		return http.Header{"Retry-After": {retryAfter}}
	}
	return nil
}

func badRequest(detail string) *ProblemDetails {
	return &ProblemDetails{Status: http.StatusBadRequest, Title: "Bad request", Detail: detail}
}

// unprocessable says what is wrong with a request that was understood.
func unprocessable(detail string) *ProblemDetails {
	return &ProblemDetails{Status: http.StatusUnprocessableEntity, Title: "Cannot be done", Detail: detail}
}

// refused lists what is wrong with an expression or with rules.
func refused(what string, problems rules.Problems) *ProblemDetails {
	p := unprocessable("The " + what + " cannot be used.")
	p.Problems = problems
	return p
}

// problemOf is the answer to a handler's error. What only the log may know stays
// there.
func (s *service) problemOf(ctx context.Context, operation string, err error) *ProblemDetails {
	var p *ProblemDetails
	var problems rules.Problems
	var query *backend.QueryError
	switch {
	case errors.As(err, &p):
	case errors.As(err, &query):
		p = unprocessable(query.Reason)
	case errors.As(err, &problems):
		p = refused("expression", problems)
	case errors.Is(err, backend.ErrNotFound):
		p = &ProblemDetails{Status: http.StatusNotFound, Title: "Not found", Detail: "It is not stored, or not any more."}
	case errors.Is(err, backend.ErrIndexing):
		p = &ProblemDetails{Status: http.StatusServiceUnavailable, Title: "Not ready", Detail: "What is stored is still being looked through after the start; try again."}
	case errors.Is(err, backend.ErrBusy):
		p = &ProblemDetails{Status: http.StatusTooManyRequests, Title: "Busy", Detail: "Others ask for the same work at the moment; try again in a few seconds."}
	case errors.Is(err, errors.ErrUnsupported):
		p = &ProblemDetails{Status: http.StatusNotImplemented, Title: "Not available", Detail: "This callwatch cannot do that."}
	default:
		if ctx.Err() == nil {
			s.Log.Error("API request failed", "operation", operation, "err", err)
		}
		p = &ProblemDetails{Status: http.StatusInternalServerError, Title: "Internal error", Detail: "The request failed. The log has the cause."}
	}
	complete := *p
	complete.Type = "about:blank"
	return &complete
}

// inOwnWords turns what the library says of a request into the one form that
// problems have here.
func inOwnWords(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &ProblemDetails{Type: "about:blank", Title: http.StatusText(m.Status), Status: m.Status, Detail: m.Detail}
	if m.Status == http.StatusUnprocessableEntity {
		p.Title = unprocessable("").Title
	}
	for i, e := range m.Errors {
		if i == 0 {
			p.Detail = ""
		} else {
			p.Detail += "; "
		}
		p.Detail += e.Location + ": " + parameterError(e.Message)
	}
	return p, nil
}

// parameterError is what the library says of a parameter, for people who do not know Go.
func parameterError(message string) string {
	switch {
	case strings.HasPrefix(message, "invalid date/time"):
		return "not a time: date, time and zone, such as 2026-12-01T06:00:00Z"
	case message == "invalid integer":
		return "not a whole number"
	case message == "invalid boolean":
		return "neither true nor false"
	}
	return message
}

// write answers a problem from outside of a handler.
func (p *ProblemDetails) write(api huma.API, ctx huma.Context) {
	p.Type = "about:blank"
	ctx.SetHeader("Content-Type", problemType)
	ctx.SetStatus(p.Status)
	_ = api.Marshal(ctx.BodyWriter(), jsonType, p) // the client is gone: nothing left to tell
}
