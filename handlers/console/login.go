package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
)

type loginView struct {
	Off    bool   // there is no way in
	Tokens bool   // there are tokens
	Names  bool   // some of them have no name: who logs in says theirs
	OIDC   string // name of the provider's host; "" for none
	Next   string // where to go then
	Error  string
}

// refuse asks a browser to log in, or says that its user may not do that.
func (c *console) refuse(ec echo.Context, r *access.Refusal) error {
	page := ec.Request().Method == http.MethodGet && !strings.HasPrefix(ec.Path(), "/stream/") && ec.Request().Header.Get("HX-Request") == ""
	switch {
	case r.Status == http.StatusUnauthorized && page:
		return ec.Redirect(http.StatusSeeOther, c.Base+"/login?next="+url.QueryEscape(ec.Request().URL.RequestURI()))
	case r.Status == http.StatusUnauthorized:
		ec.Response().Header().Set("HX-Redirect", c.Base+"/login")
	}
	return c.answer(func(echo.Context) error { return failureOf(r) })(ec)
}

// failureOf shows a refusal in the console.
func failureOf(err error) error {
	var r *access.Refusal
	if errors.As(err, &r) {
		return &failure{status: r.Status, title: r.Title, detail: r.Detail}
	}
	return err
}

// who is the person that makes a request.
func who(ec echo.Context) string { return access.UserOf(ec).Or("console") }

func (c *console) loginPage(ec echo.Context) error {
	return c.showLogin(ec, http.StatusOK, ec.QueryParam("next"), "")
}

func (c *console) showLogin(ec echo.Context, status int, next, text string) error {
	v := loginView{Off: !c.Gate.Opens(), Tokens: len(c.Gate.Tokens) > 0, Next: localPath(next), Error: text}
	v.Names = slices.ContainsFunc(c.Gate.Tokens, func(t access.Token) bool { return t.Name == "" })
	if c.Gate.OIDC != nil {
		v.OIDC = c.Gate.OIDC.Issuer
		if u, err := url.Parse(v.OIDC); err == nil {
			v.OIDC = u.Host
		}
	}
	return c.page(ec, status, "login", view{Title: "Log in", Bare: true, Body: v})
}

// login takes a token for a session. A right one is taken however many wrong ones came
// from the same address.
func (c *console) login(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	next := form.Get("next")
	user, ok := c.Gate.Token(form.Get("token"))
	if !ok {
		c.Log.Warn("log-in refused", "remote", ec.RealIP())
		if c.Gate.Guesses.Wrong(ec.RealIP(), access.LoginLimit, c.Now()) {
			r := access.TooManyGuesses(ec, access.LoginLimit)
			return c.showLogin(ec, r.Status, next, r.Detail)
		}
		return c.showLogin(ec, http.StatusUnauthorized, next, "There is no such token.")
	}
	if user.Name == "" {
		user.Name = strings.TrimSpace(form.Get("name"))
	}
	if user.Name == "" || len(user.Name) > 100 {
		return c.showLogin(ec, http.StatusUnprocessableEntity, next, "Say who you are, in 100 letters at most: it is shown with what you do.")
	}
	c.Gate.LogIn(ec, user)
	return ec.Redirect(http.StatusSeeOther, c.Base+localPath(next))
}

func (c *console) logout(ec echo.Context) error {
	c.Gate.LogOut(ec)
	return ec.Redirect(http.StatusSeeOther, c.Base+"/login")
}

// beginOIDC sends a browser to the provider of OpenID Connect.
func (c *console) beginOIDC(ec echo.Context) error {
	return failureOf(c.Gate.BeginOIDC(ec, localPath(ec.QueryParam("next"))))
}

// finishOIDC logs a browser in that comes back from the provider.
func (c *console) finishOIDC(ec echo.Context) error {
	next, err := c.Gate.FinishOIDC(ec)
	if err != nil {
		return failureOf(err)
	}
	return ec.Redirect(http.StatusSeeOther, c.Base+next)
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
