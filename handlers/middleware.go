package handlers

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// pageCSP lets the console load its own files and nothing else.
const (
	strictCSP = "default-src 'none'; frame-ancestors 'none'"
	pageCSP   = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// identify gives each request an id of our own; one that came with it could be
// anybody's. It is no secret.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderXRequestID, strconv.FormatUint(rand.Uint64(), 36)) //nolint:gosec // no secret
		return next(c)
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// record answers errors and panics and writes the access log. It logs the route,
// never the path: that may hold a token.
func (a *app) record(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := a.Now()
		if err := a.guard(next, c); err != nil {
			if problemOf(err).status == http.StatusInternalServerError {
				a.Log.Error("request failed", "route", c.Path(), "err", err, "request", requestID(c))
			}
			c.Error(err)
		}
		if !a.Log.Enabled(c.Request().Context(), slog.LevelDebug) {
			return nil
		}
		a.Log.Debug("request", "method", c.Request().Method, "route", c.Path(), "status", c.Response().Status,
			"bytes", c.Response().Size, "took", a.Now().Sub(start), "request", requestID(c), "remote", c.RealIP())
		return nil
	}
}

// guard turns a panic into an error with its stack.
func (a *app) guard(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler { //nolint:errorlint // the value net/http itself compares
			panic(v)
		}
		err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}()
	return next(c)
}

// wholePath answers 404 where the parameter at the end of a route took in slashes: the
// router gives it the rest of the path. A slash within an id comes escaped.
func wholePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !isWebhook(c) && !strings.HasSuffix(c.Path(), "*") && slices.ContainsFunc(c.ParamValues(), func(v string) bool { return strings.Contains(v, "/") }) {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

// fixedHeader is a header that answers have, its name in the canonical form.
type fixedHeader struct {
	name   string
	values []string
}

// secureHeaders tells browsers what not to do with an answer. The answer to a
// webhook is read by a program: it goes without those that are about pages.
func secureHeaders() echo.MiddlewareFunc {
	every := []fixedHeader{
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Content-Security-Policy", []string{strictCSP}},
		{"Cache-Control", []string{"no-store"}},
	}
	pages := []fixedHeader{
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc { // called for each request
		return func(c echo.Context) error {
			h := c.Response().Header()
			for _, f := range every {
				h[f.name] = f.values
			}
			if !isWebhook(c) || c.Request().Method != http.MethodPost {
				for _, f := range pages {
					h[f.name] = f.values
				}
			}
			return next(c)
		}
	}
}

// sameSite refuses what a page of another site makes a browser send. Webhooks
// are free of it where their signature protects them.
func (a *app) sameSite() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	for _, address := range []string{a.PublicURL, a.ConsoleURL} {
		// A proxy may call us by another name than browsers call it.
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			_ = protection.AddTrustedOrigin(u.Scheme + "://" + u.Host) // well-formed
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc { // called for each request
		return func(c echo.Context) error {
			if (isWebhook(c) || strings.HasPrefix(c.Path(), interactionsPath)) && !a.Dev {
				return next(c)
			}
			if err := protection.Check(c.Request()); err != nil {
				return &problem{status: http.StatusForbidden, title: "Cross-origin request", detail: "Requests from other sites are refused."}
			}
			return next(c)
		}
	}
}

// localHost refuses, in development, names that an attacker's DNS may have
// pointed at loopback.
func (a *app) localHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.Dev && !isLoopback(c.Request().Host) {
			return &problem{status: http.StatusMisdirectedRequest, title: "Wrong host", detail: "In development only localhost is served."}
		}
		return next(c)
	}
}

func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// onlyPost answers every other method on a webhook route, OPTIONS included.
func onlyPost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if isWebhook(c) && c.Request().Method != http.MethodPost {
			c.Response().Header().Set("Allow", http.MethodPost)
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}

func isWebhook(c echo.Context) bool { return strings.HasPrefix(c.Path(), "/webhooks/") }

// sampler lets one line of a kind through each second, so that a flood of bad
// requests is no flood of the log. Kinds are few: provider and outcome.
type sampler struct {
	mu    sync.Mutex
	kinds map[string]sampled
}

type sampled struct {
	next time.Time
	held int
}

// pass says whether to write now, and how many lines were held back before.
func (s *sampler) pass(kind string, now time.Time) (held int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds == nil {
		s.kinds = map[string]sampled{}
	}
	k := s.kinds[kind]
	if now.Before(k.next) {
		k.held++
		s.kinds[kind] = k
		return 0, false
	}
	s.kinds[kind] = sampled{next: now.Add(time.Second)}
	return k.held, true
}

// scrapesAtOnce bounds what everybody may ask of the metrics.
const scrapesAtOnce = 8

// atMost answers 503 to more than so many requests at a time.
func atMost(n int) echo.MiddlewareFunc {
	slots := make(chan struct{}, n)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			select {
			case slots <- struct{}{}:
			default:
				return overloaded()
			}
			defer func() { <-slots }()
			return next(c)
		}
	}
}
