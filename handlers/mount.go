package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/api"
)

// routeAPI adds the programs' interface.
func (a *app) routeAPI(e *echo.Echo) {
	api.Mount(e, *a.API, api.Env{
		Trusted: a.trusted,
		Now:     a.Now, Log: a.Log, Streams: a.Limits.Streams,
	})
	a.routePprof(e)
}

// trusted lets a request in without a token. In development the listener is
// loopback, and requests by other hosts' names or pages are refused before.
func (a *app) trusted(r *http.Request) bool { return a.Dev && isLoopback(r.RemoteAddr) }
