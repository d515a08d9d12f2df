package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Readiness is whether webhooks can be made durable now, and what it rests on.
type Readiness struct{ Checks []Check }

// Check is one thing readiness looks at. Cause is shown to everybody who can
// reach the listener: it must hold no secret.
type Check struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Cause string `json:"cause,omitempty"`
}

// State of a check.
type State string

const (
	Passing  State = "passing"
	Degraded State = "degraded" // shown, but webhooks are still taken: Slack is down
	Failing  State = "failing"  // webhooks cannot be taken
)

// Ready says whether no check is failing.
func (r Readiness) Ready() bool {
	for _, c := range r.Checks {
		if c.State == Failing {
			return false
		}
	}
	return true
}

// checkTime bounds one readiness probe.
const checkTime = 2 * time.Second

func livez(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "live"})
}

func (a *app) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), checkTime)
	defer cancel()
	r := a.Ready(ctx)
	answer := struct {
		Status string  `json:"status"`
		Checks []Check `json:"checks,omitempty"`
	}{Status: "ready"}
	code := http.StatusOK
	if !r.Ready() {
		code, answer.Status = http.StatusServiceUnavailable, "not ready"
		c.Response().Header().Set("Retry-After", retryAfter)
	}
	if c.QueryParams().Has("verbose") {
		answer.Checks = r.Checks
	}
	return c.JSON(code, answer)
}

func (a *app) version(c echo.Context) error { return c.JSON(http.StatusOK, a.Version) }
