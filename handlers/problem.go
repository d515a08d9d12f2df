package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
	"callwatch/rules"
)

// retryAfter is how many seconds a sender is asked to wait after a 503.
const retryAfter = "5"

// problem is an error answer as of RFC 9457. Its texts are constants for
// everybody but those who have a token: nothing of a request is repeated in it.
type problem struct {
	status   int
	title    string
	detail   string
	problems rules.Problems // of a condition or rules file
}

func (p *problem) Error() string { return p.title }

// problemOf turns any error of a handler or of the router into an answer.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var d *api.ProblemDetails
	if errors.As(err, &d) {
		return &problem{status: d.Status, title: d.Title, detail: d.Detail, problems: d.Problems}
	}
	var r *access.Refusal
	if errors.As(err, &r) {
		return &problem{status: r.Status, title: r.Title, detail: r.Detail}
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			return &problem{status: he.Code, title: "Not found", detail: "Nothing is served under this path."}
		case http.StatusMethodNotAllowed:
			return &problem{status: he.Code, title: "Method not allowed", detail: "The Allow header lists what this path accepts."}
		}
	}
	return &problem{status: http.StatusInternalServerError, title: "Internal error", detail: "The request failed. The log has the cause under the request id."}
}

// answerError writes the problem of an error unless an answer has begun: as a
// page for a browser, else as JSON.
func (a *app) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemOf(err)
	if a.Starting && errors.Is(err, echo.ErrNotFound) {
		p = &problem{status: http.StatusServiceUnavailable, title: "Starting", detail: "callwatch is starting: webhooks are taken, everything else answers when the store is open."}
	}
	h := c.Response().Header()
	switch p.status {
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" {
			h.Set("WWW-Authenticate", `Basic realm="callwatch"`) // the URL token may come as its password
		}
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, deflate")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	if a.failurePage != nil && wantsPage(c.Request()) && a.failurePage(c, p.status, p.title, p.detail) == nil {
		return
	}
	body, _ := json.Marshal(struct {
		Type     string         `json:"type"`
		Title    string         `json:"title"`
		Status   int            `json:"status"`
		Detail   string         `json:"detail"`
		Problems rules.Problems `json:"problems,omitempty"`
	}{"about:blank", p.title, p.status, p.detail, p.problems})
	_ = c.Blob(p.status, "application/problem+json", body) // the client is gone: nothing left to tell
}

// programPaths are where programs call: they are never answered with a page.
var programPaths = []string{"/webhooks", api.Prefix, interactionsPath, "/livez", "/readyz", "/metrics", "/version"}

// wantsPage says whether a person waits for the answer to a request.
func wantsPage(r *http.Request) bool {
	for _, p := range programPaths {
		if r.URL.Path == p || strings.HasPrefix(r.URL.Path, p+"/") {
			return false
		}
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("HX-Request") == ""
}
