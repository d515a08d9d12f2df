package api

import (
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
)

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

// Caller is who makes a request.
type Caller struct {
	user            access.User
	remote, request string
}

// Resolve is called by the library before the handler.
func (c *Caller) Resolve(ctx huma.Context) []error {
	e := humaecho.Unwrap(ctx)
	c.user, c.remote, c.request = access.UserOf(e), e.RealIP(), e.Response().Header().Get(echo.HeaderXRequestID)
	return nil
}

// by is who acts: the user of the token, or, where the token has no name, whom the
// request names.
func (c *Caller) by(named string) string { return c.user.Or(named) }

// audit logs who changed what.
func (s *service) audit(c *Caller, what, by, id string) {
	s.Log.Info("changed over the API", "what", what, "by", by, "id", id, "remote", c.remote, "request", c.request)
}
