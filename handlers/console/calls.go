package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/calllist"
)

// model is the read model; nil where there is none.
func (c *console) model() *backend.ReadModel {
	m := c.History.Model
	if m == nil || m.ModelStatus != nil && m.ModelStatus().Off {
		return nil
	}
	return m
}

// scanPatience is how long a page waits for a filter that looks at calls one by one
// before it shows them as they are found.
const scanPatience = 300 * time.Millisecond

func (c *console) calls(ec echo.Context) error {
	q := calllist.QueryOf(ec.QueryParams(), c.Now())
	v := calllist.New(q)
	m := c.model()
	if m == nil {
		v.Off = true
		return c.page(ec, http.StatusOK, "calls", view{Title: "Calls", At: "calls", Wide: true, Body: v})
	}
	if m.ModelStatus != nil {
		s := m.ModelStatus()
		v.Behind, v.Building = s.Behind, s.Building
	}
	status := http.StatusOK
	page, scanning, err := c.askCalls(ec.Request().Context(), m, q, q.Filter != "")
	var wrong *backend.QueryError
	switch {
	case q.TooLong():
		status, v.Error = http.StatusUnprocessableEntity, "Shorten what you look for."
	case errors.As(err, &v.Problems):
		status = http.StatusUnprocessableEntity
	case errors.As(err, &wrong):
		status, v.Error = http.StatusUnprocessableEntity, wrong.Reason
	case err != nil:
		return failed(err, "incident")
	case scanning:
		more := q.Values()
		more.Set("cursor", q.Cursor)
		v.Scan = more.Encode()
	}
	v.Fill(page)
	if q.Incident != "" && err == nil {
		if in, err := c.History.Incident(ec.Request().Context(), q.Incident); err == nil {
			v.Incident = in.Incident.Rule
		}
	}
	return c.page(ec, status, "calls", view{Title: "Calls", At: "calls", Wide: true, Body: v})
}

// askCalls asks for one page of calls. With patience, a filter that is still looking
// at calls one by one after a moment is left: the page's script goes on with it.
func (c *console) askCalls(ctx context.Context, m *backend.ReadModel, q calllist.Query, patience bool) (page backend.CallPage, scanning bool, err error) {
	ask := q.Backend()
	if patience {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		begun := c.Now()
		ask.Scanned = func(backend.ScanProgress) {
			if c.Now().Sub(begun) > scanPatience {
				scanning = true
				cancel()
			}
		}
	}
	if q.Incident != "" {
		page, err = m.IncidentCalls(ctx, q.Incident, ask)
	} else {
		page, err = m.Calls(ctx, ask)
	}
	if scanning {
		return backend.CallPage{}, true, nil
	}
	return page, false, err
}
