package handlers

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Readiness is whether webhooks can be made durable now, and what it rests on.
type Readiness struct {
	Checks   []Check
	Starting bool // webhooks are taken, and nothing else yet
}

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

// shared is a readiness that is being found out, for all who ask meanwhile: everybody may
// ask, and each look asks the store.
type shared struct {
	mu   sync.Mutex
	look *look
}

type look struct {
	done chan struct{}
	r    Readiness
}

func (s *shared) get(ctx context.Context, ready func(context.Context) Readiness) Readiness {
	s.mu.Lock()
	l := s.look
	if l != nil {
		s.mu.Unlock()
		<-l.done
		return l.r
	}
	l = &look{done: make(chan struct{}), r: Readiness{Checks: []Check{{Name: "readiness", State: Failing, Cause: "the check did not finish"}}}}
	s.look = l
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.look = nil
		s.mu.Unlock()
		close(l.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime)
	defer cancel()
	l.r = ready(ctx)
	return l.r
}

func livez(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "live"})
}

func (a *app) readyz(c echo.Context) error {
	r := a.readiness.get(c.Request().Context(), a.Ready)
	answer := struct {
		Status string  `json:"status"`
		Checks []Check `json:"checks,omitempty"`
	}{Status: "ready"}
	code := http.StatusOK
	if !r.Ready() {
		code, answer.Status = http.StatusServiceUnavailable, "not ready"
		if r.Starting {
			answer.Status = "starting: taking webhooks"
		}
		c.Response().Header().Set("Retry-After", retryAfter)
	}
	if c.QueryParams().Has("verbose") {
		answer.Checks = r.Checks
	}
	return c.JSON(code, answer)
}

func (a *app) version(c echo.Context) error { return c.JSON(http.StatusOK, a.Version) }
