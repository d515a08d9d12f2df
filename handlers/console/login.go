package console

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/api"
	"callwatch/handlers/limits"
)

// visitor is the key under which authorize leaves the session.
const visitor = "visitor"

type loginView struct {
	Off   bool   // no token is set
	Next  string // where to go then
	Error string
}

// authorize lets in who is logged in, and whom the server trusts without.
func (c *console) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if c.Trusted(ec.Request()) {
			limits.Known(ec.Request().Context())
			ec.Set(visitor, session{name: "console"})
			return next(ec)
		}
		s, ok := c.sessions.find(ec.Request(), c.Now())
		switch {
		case ok:
			limits.Known(ec.Request().Context())
			ec.Set(visitor, s)
			return next(ec)
		case ec.Request().Method != http.MethodGet || strings.HasPrefix(ec.Path(), "/stream/") || ec.Request().Header.Get("HX-Request") != "":
			ec.Response().Header().Set("HX-Redirect", c.Base+"/login")
			return &failure{status: http.StatusUnauthorized, title: "Log in again", detail: "The session is over: open the log-in page, then repeat what you did."}
		}
		return ec.Redirect(http.StatusSeeOther, c.Base+"/login?next="+url.QueryEscape(ec.Request().URL.RequestURI()))
	}
}

// who is the person that makes a request.
func who(ec echo.Context) string {
	s, _ := ec.Get(visitor).(session)
	return s.name
}

func (c *console) loginPage(ec echo.Context) error {
	return c.page(ec, http.StatusOK, "login", view{Title: "Log in", Bare: true, Body: loginView{Off: len(c.Tokens) == 0, Next: localPath(ec.QueryParam("next"))}})
}

// login takes the admin token for a session. The token is compared by digests:
// neither content nor length shows in the time it takes.
func (c *console) login(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	again := func(status int, text string) error {
		return c.page(ec, status, "login", view{Title: "Log in", Bare: true, Body: loginView{Off: len(c.Tokens) == 0, Next: localPath(form.Get("next")), Error: text}})
	}
	now, remote := c.Now(), ec.RealIP()
	if !c.sessions.mayTry(remote, now) {
		c.Log.Warn("log-in refused: too many tries", "remote", remote)
		ec.Response().Header().Set("Retry-After", "10")
		return again(http.StatusTooManyRequests, "Too many tries. Wait a minute, then try again.")
	}
	given, match := api.DigestOf(strings.TrimSpace(form.Get("token"))), 0
	for _, want := range c.Tokens {
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	name := strings.TrimSpace(form.Get("name"))
	switch {
	case match != 1:
		c.Log.Warn("log-in refused", "remote", remote)
		return again(http.StatusUnauthorized, "This is not the admin token.")
	case name == "" || len(name) > 100:
		return again(http.StatusUnprocessableEntity, "Say who you are, in 100 letters at most: it stands beside what you do.")
	}
	c.sessions.succeeded(remote)
	c.sessions.end(ec.Request())
	c.setCookie(ec, c.sessions.begin(name, now), int(sessionTime.Seconds()))
	c.Log.Info("logged in", "by", name, "remote", remote)
	return ec.Redirect(http.StatusSeeOther, c.Base+localPath(form.Get("next")))
}

func (c *console) logout(ec echo.Context) error {
	c.sessions.end(ec.Request())
	c.setCookie(ec, "", -1)
	return ec.Redirect(http.StatusSeeOther, c.Base+"/login")
}

func (c *console) setCookie(ec echo.Context, value string, age int) {
	ec.SetCookie(&http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.Secure || ec.Request().TLS != nil,
	})
}

// localPath is a path of this console, "/" for anything that leads elsewhere.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}

// audit logs who changed what.
func (c *console) audit(ec echo.Context, what, id string) {
	c.Log.Info("changed in the console", "what", what, "by", who(ec), "id", id, "remote", ec.RealIP(),
		"request", ec.Response().Header().Get(echo.HeaderXRequestID))
}
