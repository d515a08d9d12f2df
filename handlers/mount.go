package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/api"
	operators "callwatch/handlers/console"
)

// routeAPI adds the programs' interface.
func (a *app) routeAPI(e *echo.Echo) {
	routes := api.Mount(e, *a.API, api.Env{
		Trusted: a.trusted,
		Now:     a.Now, Log: a.Log, Streams: a.Limits.Streams,
	})
	if a.Work != nil {
		routes.POST("/work/:name", a.doWork)
	}
	a.routePprof(e)
}

// maxLogin bounds the form that logs in, in bytes: a token, a name and a path.
const maxLogin = 16 << 10

// routePages adds the operators' console at /.
func (a *app) routePages(e *echo.Echo) {
	a.failurePage = operators.Mount(e, *a.API, operators.Env{
		Trusted: a.trusted, Secure: strings.HasPrefix(a.PublicURL, "https://"), Now: a.Now, Log: a.Log,
		Base: basePath(a.PublicURL), Streams: a.Limits.Streams, Slack: a.Dev && a.Preview != nil, Buffered: a.buffered(maxLogin),
	})
}

// basePath is the path of the public address, without its last slash: a proxy
// strips it from requests, and links to pages need it.
func basePath(public string) string {
	u, err := url.Parse(public)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.EscapedPath(), "/")
}

// trusted lets a request in without a token or a log-in. In development the
// listener is loopback, and requests by other hosts' names or pages are refused
// before.
func (a *app) trusted(r *http.Request) bool { return a.Dev && isLoopback(r.RemoteAddr) }
