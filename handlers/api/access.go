package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"callwatch/handlers/limits"
)

// TokenDigest is a bearer token as it is kept: its SHA-256.
type TokenDigest [sha256.Size]byte

// DigestOf is the digest of a token.
func DigestOf(token string) TokenDigest { return sha256.Sum256([]byte(token)) }

// Authorize lets in who has a token, and whom trusted names without one.
func (a *API) Authorize(trusted func(r *http.Request) bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			switch {
			case trusted(c.Request()):
			case len(a.Tokens) == 0:
				return &ProblemDetails{Status: http.StatusForbidden, Title: "API is off", Detail: "Set CALLWATCH_ADMIN_TOKEN to open it."}
			case !a.opens(c.Request().Header.Get(echo.HeaderAuthorization)):
				c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="callwatch"`)
				return &ProblemDetails{Status: http.StatusUnauthorized, Title: "Unauthorized", Detail: "A valid bearer token is needed."}
			}
			limits.Known(c.Request().Context())
			return next(c)
		}
	}
}

// opens compares digests, so that neither content nor length of a token shows in
// the time it takes.
func (a *API) opens(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	given, open := DigestOf(strings.TrimSpace(token)), 0
	for _, want := range a.Tokens {
		open |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return open == 1 && strings.EqualFold(scheme, "Bearer")
}

// unescape undoes the escapes of path parameters where the router has matched
// them escaped: ids of calls may hold a slash.
func unescape(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := c.ParamValues()
		for i, v := range values {
			plain, err := url.PathUnescape(v)
			if err != nil {
				return badRequest("The path is not escaped rightly.")
			}
			values[i] = plain
		}
		c.SetParamValues(values...)
		return next(c)
	}
}

// Caller is who makes a request, for the audit log.
type Caller struct{ remote, request string }

// Resolve is called by the library before the handler.
func (c *Caller) Resolve(ctx huma.Context) []error {
	e := humaecho.Unwrap(ctx)
	c.remote, c.request = e.RealIP(), e.Response().Header().Get(echo.HeaderXRequestID)
	return nil
}

// audit logs who changed what.
func (s *service) audit(c *Caller, what, by, id string) {
	s.Log.Info("changed over the API", "what", what, "by", by, "id", id, "remote", c.remote, "request", c.request)
}
