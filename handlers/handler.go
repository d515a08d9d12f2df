package handlers

import (
	"io"
	"net/http"
	"runtime"

	"github.com/labstack/echo/v4"

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
		a.providers[p.Name] = p
	}

	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard) // everything goes to slog
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = a.answerError
	e.Use(identify, a.record, secureHeaders(), a.localHost, onlyPost, a.sameSite())

	e.POST("/webhooks/:provider", a.webhook)
	e.POST("/webhooks/:provider/", a.webhook) // as some write it at their provider
	e.POST("/webhooks/:provider/:token", a.webhook)
	if a.Interactions != nil {
		e.POST("/slack/interactions", a.interaction, a.buffered(maxInteraction))
	}
	read := []string{http.MethodGet, http.MethodHead}
	e.Match(read, "/livez", livez)
	e.Match(read, "/readyz", a.readyz)
	e.Match(read, "/version", a.version)
	if a.Metrics != nil {
		e.Match(read, "/metrics", echo.WrapHandler(a.Metrics))
	}
	if a.Dev && a.Preview != nil {
		slackpreview.Mount(e, a.Preview, slackpreview.Env{Press: a.Press, Read: readRequest, CSP: pageCSP, Streams: a.Limits.Streams, Log: a.Log})
	}
	if a.API == nil {
		e.Match(read, "/", welcome)
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
