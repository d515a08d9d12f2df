package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/access"
)

const (
	// TestHeader marks a webhook that is only a test, with the token of an operator: it is
	// verified and normalized, and nothing of it is kept.
	TestHeader = "Callwatch-Test"

	// TestedStatus is the status in the answer to a test that was verified.
	TestedStatus = "tested"
)

// mayTest says whether the sender of a test has the token for it.
func (a *app) mayTest(c echo.Context) bool {
	r := c.Request()
	if a.trusted(r) {
		return true
	}
	user, ok := a.gate.Token(r.Header.Get(TestHeader))
	return ok && user.Role >= access.Operator
}

// answerTest says what became of a test that was verified.
func (a *app) answerTest(c echo.Context, got reception) error {
	a.Log.Info("test webhook", "provider", call.Source(got.Provider, got.Account), "key", got.Key, "events", got.events, "err", got.err, "remote", c.RealIP())
	if got.err != nil {
		return &problem{status: http.StatusUnprocessableEntity, title: "Not normalized", detail: "It was verified, but could not be normalized: " + got.err.Error()}
	}
	return c.JSON(http.StatusOK, struct {
		Status string `json:"status"`
		Events int    `json:"events"`
	}{TestedStatus, got.events})
}
