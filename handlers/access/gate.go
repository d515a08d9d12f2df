package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/limits"
)

// Door is how those who ask for a route show who they are.
type Door int

const (
	Open     Door = iota // they need not: probes, pages before the log-in, what is signed
	Programs             // by a bearer token
	Pages                // by the session of a browser
)

// Need is what a route asks for.
type Need struct {
	Door Door
	Role Role
}

// Anyone may ask for the route.
func Anyone() Need { return Need{} }

// Gate lets requests through to the routes for which they have a role. It must be a
// middleware of all routes: one that nobody declared to it is refused.
type Gate struct {
	Config
	Trusted func(r *http.Request) bool // development, from loopback: an admin without a name
	Now     func() time.Time
	Log     *slog.Logger
	Secure  bool   // browsers come over https: cookies are kept from plain http
	Base    string // path prefix that a proxy strips
	// Refuse answers a browser whose request is refused, where it needs a session.
	Refuse func(c echo.Context, r *Refusal) error

	Guesses  Guesses
	routes   map[string]Need
	sessions sessions
}

// Refusal is why a request is not let through.
type Refusal struct {
	Status        int
	Title, Detail string
}

// Error is the title.
func (r *Refusal) Error() string { return r.Title }

// Declare says what a route asks for.
func (g *Gate) Declare(method, path string, n Need) {
	if g.routes == nil {
		g.routes = map[string]Need{}
	}
	g.routes[method+" "+path] = n
}

// Needs is what a route asks for; false where nobody declared it.
func (g *Gate) Needs(method, path string) (Need, bool) {
	n, ok := g.routes[method+" "+path]
	return n, ok
}

// Add adds a route and declares it.
func (g *Gate) Add(e *echo.Echo, n Need, method, path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc) {
	g.Declare(method, path, n)
	e.Add(method, path, h, guards...)
}

// userKey is where Check leaves the user.
const userKey = "user"

// UserOf is who makes the request; the zero User on routes that anyone may ask for.
func UserOf(c echo.Context) User {
	u, _ := c.Get(userKey).(User)
	return u
}

// Check is the middleware.
func (g *Gate) Check(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		need, declared := g.Needs(c.Request().Method, c.Path())
		switch {
		case !declared && routed(c):
			return &Refusal{http.StatusForbidden, "Not open", "This route declares no role."}
		case need.Door == Open: // of no route, too: the router answers 404 or 405
			return next(c)
		}
		user, refusal := g.enter(c, need)
		if refusal == nil && user.Role < need.Role {
			detail := "This needs the role " + need.Role.String() + "; " + user.Or("the token") + " has the role " + user.Role.String() + "."
			refusal = &Refusal{http.StatusForbidden, "Not allowed", detail}
			g.Log.Warn("not allowed", "route", c.Path(), "by", user.Name, "role", user.Role.String(), "remote", c.RealIP())
		}
		if user.Role > Nobody {
			c.Set(userKey, user)
			limits.Known(c.Request().Context())
		}
		switch {
		case refusal == nil:
			return next(c)
		case need.Door == Pages:
			return g.Refuse(c, refusal)
		}
		return refusal
	}
}

// routed says whether a handler of a route waits for the request, rather than the
// answer that there is none.
func routed(c echo.Context) bool {
	for _, r := range c.Echo().Routes() {
		if r.Path == c.Path() && r.Method == c.Request().Method {
			return true
		}
	}
	return false
}

// enter is who makes the request, or why they cannot be let in.
func (g *Gate) enter(c echo.Context, need Need) (User, *Refusal) {
	r := c.Request()
	if g.Trusted(r) {
		return User{Role: Admin}, nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	if need.Door == Programs && strings.EqualFold(scheme, "Bearer") {
		user, ok := g.Token(token)
		if !ok {
			return User{}, g.wrongToken(c)
		}
		return user, nil
	}
	if user, ok := g.proxied(r); ok {
		return user, nil
	}
	if need.Door == Pages {
		return g.returning(c)
	}
	if !g.Opens() {
		return User{}, &Refusal{http.StatusForbidden, "API is off", "Set CALLWATCH_ADMIN_TOKEN or tokens to open it."}
	}
	return User{}, unauthorized(c)
}

// Opens says whether there is a way in at all.
func (g *Gate) Opens() bool { return len(g.Tokens) > 0 || g.UserHeader != "" || g.OIDC != nil }

// Token is the user of a token. Digests are compared, so that neither content nor
// length of a token shows in the time it takes.
func (g *Gate) Token(secret string) (user User, ok bool) {
	given := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	for _, t := range g.Tokens {
		if subtle.ConstantTimeCompare(given[:], t.digest[:]) == 1 {
			user, ok = t.User, true
		}
	}
	return user, ok
}

// proxied is the user whom a trusted proxy names.
func (g *Gate) proxied(r *http.Request) (User, bool) {
	if g.UserHeader == "" || !g.trusts(r.RemoteAddr) {
		return User{}, false
	}
	name := strings.TrimSpace(r.Header.Get(g.UserHeader))
	if name == "" || len(name) > maxName {
		return User{}, false
	}
	var groups []string
	if g.GroupsHeader != "" {
		groups = split(strings.Join(r.Header.Values(g.GroupsHeader), ","))
	}
	return User{name, g.Roles.Role(name, groups)}, true
}

// maxName bounds the name of a user in bytes.
const maxName = 100

// returning is the user of a browser's session. What it opened ends with it.
func (g *Gate) returning(c echo.Context) (User, *Refusal) {
	r := c.Request()
	now := g.Now()
	s, ok := g.sessions.find(r, now)
	if !ok {
		return User{}, &Refusal{http.StatusUnauthorized, "Log in again", "The session is over: open the log-in page, then repeat what you did."}
	}
	if r.Method == http.MethodGet {
		ctx, end := context.WithTimeout(r.Context(), s.until.Sub(now))
		context.AfterFunc(s.over, end)
		c.SetRequest(r.WithContext(ctx))
	}
	return s.user, nil
}

func unauthorized(c echo.Context) *Refusal {
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="callwatch"`)
	return &Refusal{http.StatusUnauthorized, "Unauthorized", "A valid bearer token is needed."}
}

// wrongToken counts a token that is wrong.
func (g *Gate) wrongToken(c echo.Context) *Refusal {
	if !g.Opens() {
		return &Refusal{http.StatusForbidden, "API is off", "Set CALLWATCH_ADMIN_TOKEN or tokens to open it."}
	}
	if !g.Guesses.Wrong(c.RealIP(), ProgramLimit, g.Now()) {
		return unauthorized(c)
	}
	return TooManyGuesses(c, ProgramLimit)
}

// TooManyGuesses is the answer to a wrong token after too many of them.
func TooManyGuesses(c echo.Context, l Limit) *Refusal {
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(l.Pause.Seconds())))
	return &Refusal{http.StatusTooManyRequests, "Too many tries", "Too many wrong tokens came from this address. A right one is let in at any time."}
}

// LogIn begins a session for a user and gives the browser its cookie.
func (g *Gate) LogIn(c echo.Context, u User) {
	g.sessions.finish(c.Request())
	g.setCookie(c, sessionCookie, g.sessions.begin(u, g.Now()), int(SessionTime.Seconds()))
	g.Log.Info("logged in", "by", u.Name, "role", u.Role.String(), "remote", c.RealIP())
}

// LogOut ends the session of a browser.
func (g *Gate) LogOut(c echo.Context) {
	g.sessions.finish(c.Request())
	g.setCookie(c, sessionCookie, "", -1)
}

// setCookie gives the browser a cookie for this console alone. A link in a message
// brings it along, a form of another site does not.
func (g *Gate) setCookie(c echo.Context, name, value string, age int) {
	r := c.Request()
	c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: g.Base + "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: g.Secure || r.TLS != nil || g.trusts(r.RemoteAddr) && strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https"),
	})
}

// InSession says whether the request is one of an open session.
func (g *Gate) InSession(r *http.Request) bool {
	_, ok := g.sessions.find(r, g.Now())
	return ok
}
