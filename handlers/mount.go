package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/api"
)

// routeAPI adds the programs' interface. In development the listener is
// loopback, and requests by other hosts' names or pages are refused before: it
// needs no token there.
func (a *app) routeAPI(e *echo.Echo) {
	api.Mount(e, *a.API, api.Env{
		Trusted: func(r *http.Request) bool { return a.Dev && isLoopback(r.RemoteAddr) },
		Now:     a.Now, Log: a.Log, Streams: a.Limits.Streams,
	})
}
