// Package console is the operators' view of callwatch in a browser: how
// the calls are and where they are bad, what comes in, calls, incidents, rules, silences, dead letters and how callwatch itself
// is. Pages are rendered on the server; scripts only make them livelier.
package console

import (
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
)

// Env is what the console needs of the server it is part of.
type Env struct {
	Gate *access.Gate // knows who makes a request, and what each route needs
	Now  func() time.Time
	Log  *slog.Logger
	// Base is the path prefix that a proxy strips, such as "/voice": links and
	// redirects begin with it.
	Base    string
	Streams int  // open at one time
	Slack   bool // a page /slack shows the fake Slack
	Dev     bool // webhooks are taken without a check
	// Buffered reads the form of a sender that is not known before it is handled.
	Buffered echo.MiddlewareFunc
}

// console answers the requests.
type console struct {
	api.API
	Env
	pages    map[access.Role]map[string]*template.Template
	streams  atomic.Int64
	compiled compiled
}

// Mount adds the pages and returns the page that tells a browser of a failure
// outside of the console. The server refuses what pages of other sites send and
// turns panics into answers.
func Mount(e *echo.Echo, a api.API, env Env) FailurePage {
	c := &console{API: a, Env: env, pages: map[access.Role]map[string]*template.Template{}}
	for role := access.Nobody; role <= access.Admin; role++ {
		c.pages[role] = parse(env.Base, role)
	}
	env.Gate.Refuse = c.refuse
	c.routeStatic(e)
	open := func(method, path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc) {
		env.Gate.Add(e, access.Anyone(), method, path, h, guards...)
	}
	open(http.MethodGet, "/login", c.loginPage, c.answer)
	open(http.MethodPost, "/login", c.login, env.Buffered, c.answer)
	open(http.MethodPost, "/logout", c.logout, c.answer)
	if env.Gate.OIDC != nil {
		open(http.MethodGet, "/login/oidc", c.beginOIDC, c.answer)
		open(http.MethodGet, "/login/oidc/callback", c.finishOIDC, c.answer)
	}

	in := api.Guarded(e, env.Gate, access.Pages, "", c.answer, unescape)
	in.GET(access.Viewer, "/", c.overview)
	in.GET(access.Viewer, "/live", c.live)
	in.GET(access.Viewer, "/stream/events", c.streamEvents)
	in.GET(access.Viewer, "/stream/calls", c.streamCalls)
	in.GET(access.Viewer, "/stream/incidents", c.streamIncidents)
	in.GET(access.Viewer, "/calls", c.calls)
	in.GET(access.Viewer, "/calls/export", c.exportCalls)
	in.GET(access.Viewer, "/calls/:provider/:id", c.call)
	in.GET(access.Viewer, "/calls/:provider/:id/raw/:raw", c.callBody)
	in.GET(access.Viewer, "/incidents", c.incidents)
	in.GET(access.Viewer, "/incidents/:id", c.incident)
	in.POST(access.Operator, "/incidents/:id", c.markIncident)
	in.GET(access.Viewer, "/rules", c.rules)
	in.GET(access.Viewer, "/rules/words", c.words)
	in.GET(access.Viewer, "/rules/:name", c.rule)
	in.POST(access.Operator, "/rules/check", c.check)
	in.POST(access.Operator, "/rules/try", c.try)
	in.POST(access.Operator, "/rules/backtest", c.backtest)
	in.GET(access.Viewer, "/silences", c.silences)
	in.POST(access.Operator, "/silences", c.addSilence)
	in.POST(access.Operator, "/silences/preview", c.previewSilence)
	in.POST(access.Operator, "/silences/extend", c.extendSilence)
	in.POST(access.Operator, "/silences/expire", c.expireSilence)
	in.GET(access.Viewer, "/dead-letters", c.deadLetters)
	in.GET(access.Viewer, "/dead-letters/:raw", c.deadLetter)
	in.POST(access.Operator, "/dead-letters/replay", c.replay)
	in.GET(access.Viewer, "/status", c.status)
	return func(ec echo.Context, status int, title, detail string) error {
		return c.page(ec, status, "problem", view{Title: title, Bare: true, Body: problemView{Title: title, Detail: detail}})
	}
}

// FailurePage renders a failure as a page that shows nothing else.
type FailurePage func(ec echo.Context, status int, title, detail string) error

// unescape undoes the escapes of path parameters where the router has matched
// them escaped: ids of calls may hold a slash.
func unescape(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if ec.Request().URL.RawPath == "" {
			return next(ec)
		}
		values := ec.ParamValues()
		for i, v := range values {
			plain, err := url.PathUnescape(v)
			if err != nil {
				return notFound("page")
			}
			values[i] = plain
		}
		ec.SetParamValues(values...)
		return next(ec)
	}
}
