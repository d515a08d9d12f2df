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

	"callwatch/handlers/api"
)

// Env is what the console needs of the server it is part of.
type Env struct {
	// Trusted lets a request in without a login: development, from loopback.
	Trusted func(r *http.Request) bool
	// Secure says that browsers come over https: the cookie is kept from plain
	// http then.
	Secure bool
	Now    func() time.Time
	Log    *slog.Logger
	// Base is the path prefix that a proxy strips, such as "/voice": links and
	// redirects begin with it.
	Base    string
	Streams int  // open at one time
	Slack   bool // a page /slack shows the fake Slack
	// Buffered reads the form of a sender that is not known before it is handled.
	Buffered echo.MiddlewareFunc
}

// console answers the requests.
type console struct {
	api.API
	Env
	pages    map[string]*template.Template
	sessions *sessions
	streams  atomic.Int64
	compiled compiled
}

// Mount adds the pages and returns the page that tells a browser of a failure
// outside of the console. The server refuses what pages of other sites send and
// turns panics into answers.
func Mount(e *echo.Echo, a api.API, env Env) FailurePage {
	c := &console{API: a, Env: env, pages: parse(env.Base), sessions: newSessions()}
	c.routeStatic(e)
	e.GET("/login", c.loginPage, c.answer)
	e.POST("/login", c.login, env.Buffered, c.answer)
	e.POST("/logout", c.logout, c.answer)

	in := api.Guarded(e, "", c.answer, c.authorize, unescape)
	in.GET("/", c.overview)
	in.GET("/live", c.live)
	in.GET("/stream/events", c.streamEvents)
	in.GET("/stream/calls", c.streamCalls)
	in.GET("/stream/incidents", c.streamIncidents)
	in.GET("/calls", c.calls)
	in.GET("/calls/export", c.exportCalls)
	in.GET("/calls/:provider/:id", c.call)
	in.GET("/calls/:provider/:id/raw/:raw", c.callBody)
	in.GET("/incidents", c.incidents)
	in.GET("/incidents/:id", c.incident)
	in.POST("/incidents/:id", c.markIncident)
	in.GET("/rules", c.rules)
	in.GET("/rules/words", c.words)
	in.GET("/rules/:name", c.rule)
	in.POST("/rules/check", c.check)
	in.POST("/rules/try", c.try)
	in.POST("/rules/backtest", c.backtest)
	in.GET("/silences", c.silences)
	in.POST("/silences", c.addSilence)
	in.POST("/silences/preview", c.previewSilence)
	in.POST("/silences/extend", c.extendSilence)
	in.POST("/silences/expire", c.expireSilence)
	in.GET("/dead-letters", c.deadLetters)
	in.GET("/dead-letters/:raw", c.deadLetter)
	in.POST("/dead-letters/replay", c.replay)
	in.GET("/status", c.status)
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
