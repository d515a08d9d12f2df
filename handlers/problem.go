package handlers

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
)

// retryAfter is how many seconds a sender is asked to wait after a 503.
const retryAfter = "5"

// problem is an error answer as of RFC 9457. Its texts are constants: nothing of
// a request is repeated in it.
type problem struct {
	status int
	title  string
	detail string
}

func (p *problem) Error() string { return p.title }

// problemOf turns any error of a handler or of the router into an answer.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			return &problem{he.Code, "Not found", "Nothing is served under this path."}
		case http.StatusMethodNotAllowed:
			return &problem{he.Code, "Method not allowed", "The Allow header lists what this path accepts."}
		}
	}
	return &problem{http.StatusInternalServerError, "Internal error", "The request failed. The log has the cause under the request id."}
}

// answerError writes the problem of an error unless an answer has begun.
func answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemOf(err)
	h := c.Response().Header()
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="callwatch"`) // the URL token may come as its password
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, deflate")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", p.title, p.status, p.detail})
	_ = c.Blob(p.status, "application/problem+json", body) // the client is gone: nothing left to tell
}
