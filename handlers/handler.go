package handlers

import (
	"io"
	"net/http"
	"runtime"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	operators "callwatch/handlers/console"
	"callwatch/handlers/limits"
	"callwatch/handlers/slackpreview"
)

// app is the state of one HTTP side: its configuration and its budgets.
type app struct {
	Config
	providers  map[string]Provider
	inFlight   *limits.Budget
	inflating  chan struct{} // held while a body is inflated
	rejections sampler
	gate       *access.Gate
	base       string // path prefix of the console's address, which a proxy strips
	readiness  shared
	// failurePage shows a failure to a browser; nil where there is no console.
	failurePage operators.FailurePage
}

// New builds the routes. What listens must set the timeouts of Server as well.
func New(c Config) http.Handler {
	c = c.withDefaults()
	return routes(c, limits.NewBudget(c.Limits.InFlight))
}

func routes(c Config, inFlight *limits.Budget) http.Handler {
	a := &app{Config: c, providers: map[string]Provider{}, inFlight: inFlight}
	a.inflating = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	for _, p := range a.Providers {
		p.Accounts = append([]Account{{Keys: p.Keys}}, p.Accounts...)
		a.providers[p.Name] = p
	}

	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard) // everything goes to slog
	e.IPExtractor = clientAddress(a.Access.Proxies)
	e.HTTPErrorHandler = a.answerError
	a.openGate()
	e.Pre(a.withoutBase())
	e.Use(identify, a.record, secureHeaders(), a.localHost, onlyPost, a.sameSite(), a.gate.Check, wholePath)

	open := func(method, path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc) {
		a.gate.Add(e, access.Anyone(), method, path, h, guards...)
	}
	read := func(path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc) {
		open(http.MethodGet, path, h, guards...)
		open(http.MethodHead, path, h, guards...)
	}
	open(http.MethodPost, "/webhooks/:provider", a.webhook)
	open(http.MethodPost, "/webhooks/:provider/", a.webhook) // as some write it at their provider
	open(http.MethodPost, "/webhooks/:provider/:token", a.webhook)
	for workspace, answer := range a.Interactions {
		open(http.MethodPost, InteractionsPath(workspace), answer.handle, a.buffered(maxInteraction))
	}
	read("/livez", livez)
	read("/readyz", a.readyz)
	read("/version", a.version)
	if limit := atMost(scrapesAtOnce); a.Metrics != nil {
		read("/metrics", echo.WrapHandler(a.Metrics), limit)
	}
	if a.Dev && a.Preview != nil {
		slackpreview.Mount(open, a.Preview, slackpreview.Env{Press: a.Press, Read: readRequest, CSP: pageCSP, Streams: a.Limits.Streams, Log: a.Log})
	}
	if a.Starting {
		return e
	}
	if a.API == nil {
		read("/", welcome)
		return e
	}
	a.routeAPI(e)
	a.routePages(e)
	return e
}

// welcome tells a visitor what this is; it shows nothing that happened.
func welcome(c echo.Context) error {
	return c.String(http.StatusOK, `callwatch: call quality webhooks in, Slack incidents out.

Webhooks:  POST /webhooks/{provider}
Probes:    /livez  /readyz  /readyz?verbose  /metrics  /version
Manual:    README.md and docs/ of the source code
`)
}
