package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/figures"
	"callwatch/handlers/console/period"
)

const overviewTime = 8 * time.Second

// overview answers how the calls are, where it is bad, and which calls those are.
func (c *console) overview(ec echo.Context) error {
	params := ec.QueryParams()
	if params.Has("filter") || params.Has("before") { // the feed was here once
		return ec.Redirect(http.StatusFound, c.Base+"/live?"+params.Encode())
	}
	ctx, cancel := context.WithTimeout(ec.Request().Context(), overviewTime)
	defer cancel()
	v := figures.New(period.Of(params, c.Now()), params.Get("by"))
	v.ShowIncidents(c.Open())
	status := c.History.Status(ctx)
	if m := c.model(); m == nil {
		v.Off = true
	} else if err := v.Ask(ctx, m, status.Providers); err != nil {
		var wrong *backend.QueryError
		switch {
		case errors.As(err, &wrong):
			v.Problem = wrong.Reason
		case errors.Is(err, context.DeadlineExceeded):
			v.Problem = "The figures took too long. Choose a shorter time."
		default:
			return failed(err, "figure")
		}
	}
	if len(v.Providers) == 0 {
		v.ShowProviders(status.Providers, nil)
	}
	if page, err := c.History.Events(ctx, backend.EventQuery{Limit: 1}); err == nil {
		v.Empty = len(page.Events) == 0 && page.Next == 0 // the stream has messages of callwatch itself
	}
	v.Unsigned = c.Dev
	return c.page(ec, http.StatusOK, "overview", view{Title: "Overview", At: "overview", Wide: true, Body: v})
}
