package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/calllist"
)

// streamCalls sends the calls that a filter finds as it finds them, and how far it
// has come. It ends with "done", whose data is the address of the next page.
func (c *console) streamCalls(ec echo.Context) error {
	m := c.model()
	if m == nil {
		return notFound("list of calls")
	}
	q := calllist.QueryOf(ec.QueryParams(), c.Now())
	columns := q.Shown()
	ctx, cancel := context.WithCancel(ec.Request().Context())
	defer cancel()
	ask, shown := q.Backend(), 0
	to, done, err := c.openStream(ec)
	if err != nil {
		return err
	}
	defer done()
	rows := func(found []backend.CallRow) {
		found = found[:min(len(found), q.Limit-shown)]
		if len(found) == 0 {
			return
		}
		shown += len(found)
		var out strings.Builder
		for i := range found {
			row, err := c.html(access.Viewer, "calls", "call-row", calllist.Cells(columns, &found[i]))
			if err != nil {
				c.Log.Error("call not shown", "err", err)
				return
			}
			out.WriteString(row)
		}
		to.Send(0, "rows", out.String())
	}
	inOrder := q.Sort == "" // the order of the scan is that of the list
	ask.Scanned = func(p backend.ScanProgress) {
		if inOrder {
			rows(p.Found)
		}
		to.Send(0, "progress", fmt.Sprintf(`{"done":%d,"total":%d}`, p.Done, p.Total))
		if to.Err() != nil {
			cancel()
		}
	}
	var page backend.CallPage
	if q.Incident != "" {
		page, err = m.IncidentCalls(ctx, q.Incident, ask)
	} else {
		page, err = m.Calls(ctx, ask)
	}
	switch {
	case err != nil && ctx.Err() == nil:
		c.Log.Warn("calls not listed", "err", err)
		to.Send(0, "failed", "The search did not get to its end. Choose a shorter time.")
		return nil
	case err != nil:
		return nil
	case shown < len(page.Calls):
		rows(page.Calls[shown:])
	}
	end := struct {
		Next       string `json:"next,omitempty"`
		Scanned    int64  `json:"scanned"`
		Incomplete bool   `json:"incomplete,omitempty"`
	}{Scanned: page.Scanned, Incomplete: page.Incomplete}
	if page.Next != "" {
		v := calllist.View{Query: q}
		end.Next = c.Base + v.After(page.Next)
	}
	b, _ := json.Marshal(end)
	to.Send(0, "done", string(b))
	return nil
}

// maxExport bounds the calls of one export.
const maxExport = 200_000

// exportCalls answers with all calls of the list, as CSV or as one JSON object a
// line.
func (c *console) exportCalls(ec echo.Context) error {
	m := c.model()
	if m == nil {
		return notFound("list of calls")
	}
	q := calllist.QueryOf(ec.QueryParams(), c.Now())
	q.Limit, q.Cursor = 1000, ""
	form, contentType := "csv", "text/csv; charset=utf-8"
	if ec.QueryParam("format") == "ndjson" {
		form, contentType = "ndjson", "application/x-ndjson"
	}
	page, _, err := c.askCalls(ec.Request().Context(), m, q, false)
	if err != nil {
		var wrong *backend.QueryError
		if errors.As(err, &wrong) {
			return &failure{status: http.StatusUnprocessableEntity, title: "The list cannot be exported", detail: wrong.Reason}
		}
		return failed(err, "incident")
	}
	if page.Building {
		return &failure{status: http.StatusServiceUnavailable, title: "The list cannot be exported yet", detail: "It is being built from what is stored: the file would not be whole. Try again when the list of calls no longer says so."}
	}
	patient(ec)
	h := ec.Response().Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", `attachment; filename="calls-`+c.Now().UTC().Format("20060102-150405")+`.`+form+`"`)
	write, flush := calllist.Exporter(ec.Response(), form)
	for n := 0; ; {
		for i := range page.Calls {
			if err := write(&page.Calls[i]); err != nil {
				return nil // the browser is gone
			}
		}
		flush()
		if n += len(page.Calls); page.Next == "" || n >= maxExport {
			return nil
		}
		q.Cursor = page.Next
		if page, _, err = c.askCalls(ec.Request().Context(), m, q, false); err != nil || page.Building {
			c.Log.Warn("export ended early", "err", err)
			panic(http.ErrAbortHandler) // so that the file does not look whole
		}
	}
}
