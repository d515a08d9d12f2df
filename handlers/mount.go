package handlers

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
	operators "callwatch/handlers/console"
)

// routeAPI adds the programs' interface.
func (a *app) routeAPI(e *echo.Echo) {
	routes := api.Mount(e, *a.API, api.Env{Gate: a.gate, Now: a.Now, Log: a.Log, Streams: a.Limits.Streams})
	for name, role := range a.WorkRoles {
		routes.POST(role, "/work/"+name, a.doWork(name))
	}
	a.routePprof(e)
}

// maxLogin bounds the form that logs in, in bytes: a token, a name and a path.
const maxLogin = 16 << 10

// routePages adds the operators' console at /.
func (a *app) routePages(e *echo.Echo) {
	a.failurePage = operators.Mount(e, *a.API, operators.Env{
		Gate: a.gate, Now: a.Now, Log: a.Log,
		Base: a.base, Streams: a.Limits.Streams, Slack: a.Dev && a.Preview != nil, Dev: a.Dev, Buffered: a.buffered(maxLogin),
	})
}

// openGate makes what lets requests through to the routes.
func (a *app) openGate() {
	a.base = basePath(cmp.Or(a.ConsoleURL, a.PublicURL))
	a.gate = &access.Gate{
		Config: a.Access, Trusted: a.trusted, Now: a.Now, Log: a.Log, Base: a.base,
		Secure: strings.HasPrefix(a.PublicURL, "https://") || strings.HasPrefix(a.ConsoleURL, "https://"),
	}
}

// ownPaths are the first parts of paths here: a base path that is one of them is not told
// from them.
var ownPaths = []string{"webhooks", "api", "slack", "livez", "readyz", "metrics", "version", "login", "logout", "live", "stream", "calls", "incidents", "rules", "silences", "dead-letters", "status", "static", "debug"}

// withoutBase takes the base path away from requests of a proxy that has not done so.
func (a *app) withoutBase() echo.MiddlewareFunc {
	var bases []string
	for _, base := range []string{basePath(a.PublicURL), basePath(a.ConsoleURL)} {
		first, _, _ := strings.Cut(strings.TrimPrefix(base, "/"), "/")
		if base != "" && !slices.Contains(ownPaths, first) {
			bases = append(bases, base)
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc { // called for each request
		return func(c echo.Context) error {
			r := c.Request()
			for _, base := range bases {
				if path := r.URL.EscapedPath(); path != base && !strings.HasPrefix(path, base+"/") {
					continue
				}
				plain, err := url.PathUnescape(base)
				if err != nil {
					continue
				}
				u := *r.URL
				u.Path, u.RawPath = "/"+strings.TrimLeft(strings.TrimPrefix(u.Path, plain), "/"), strings.TrimPrefix(u.RawPath, base)
				r.URL, r.RequestURI = &u, strings.TrimPrefix(r.RequestURI, base)
				break
			}
			return next(c)
		}
	}
}

// clientAddress is how the address of a client is found: from X-Forwarded-For where a
// trusted proxy sent it.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
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
