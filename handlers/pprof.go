package handlers

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
)

// routePprof serves profiles of the running program, for go tool pprof, to
// admins.
func (a *app) routePprof(e *echo.Echo) {
	profiles := api.Guarded(e, a.gate, access.Programs, "/debug/pprof")
	for path, serve := range map[string]http.HandlerFunc{
		"/": pprof.Index, "/:profile": pprof.Index,
		"/cmdline": pprof.Cmdline, "/profile": pprof.Profile, "/trace": pprof.Trace, "/symbol": pprof.Symbol,
	} {
		profiles.GET(access.Admin, path, echo.WrapHandler(serve))
	}
	profiles.POST(access.Admin, "/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol))) // more addresses than a URL holds
}
