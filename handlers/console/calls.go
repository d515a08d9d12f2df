package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/rules"
)

type callsView struct {
	Query    callsQuery
	Problems rules.Problems // of the filter
	Error    string         // of anything else that was typed
	Head     []heading
	Rows     [][]cell
	Choices  []choice // columns
	Ranges   []rangeLink
	Next     string // address of the next page
	First    string // of the first one, on any other
	Reset    string // without search, filter and severity
	Export   string // parameters of an export
	Scan     string // parameters of the stream that finds the rest; "": all is there
	Scanned  int64
	Behind   uint64 // events that are not in the model yet
	Building bool   // the model is being built: calls, severities and incidents are missing
	Off      bool
	Typed    url.Values // that the form of columns keeps
	Incident string     // title of the incident whose calls these are
}

// heading is a title of a column and the address that sorts by it.
type heading struct {
	Title, Class, Href string
	Sorted             string // ascending, descending
}

// choice is a column that may be shown.
type choice struct {
	Name, Title string
	On          bool
}

// rangeLink leads to the same page of another time.
type rangeLink struct {
	Name, Href string
	On         bool
}

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
	q := callsQueryOf(ec.QueryParams(), c.Now())
	v := callsView{Query: q, Error: q.Range.Error}
	v.links()
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
	case len(q.Search) > maxTyped || len(q.Filter) > maxTyped:
		status, v.Error = http.StatusUnprocessableEntity, "Shorten what you look for."
	case errors.As(err, &v.Problems):
		status = http.StatusUnprocessableEntity
	case errors.As(err, &wrong):
		status, v.Error = http.StatusUnprocessableEntity, wrong.Reason
	case err != nil:
		return failed(err, "incident")
	case scanning:
		more := q.values()
		more.Set("cursor", q.Cursor)
		v.Scan = more.Encode()
	}
	v.fill(page)
	if q.Incident != "" && err == nil {
		if in, err := c.History.Incident(ec.Request().Context(), q.Incident); err == nil {
			v.Incident = in.Incident.Rule
		}
	}
	return c.page(ec, status, "calls", view{Title: "Calls", At: "calls", Wide: true, Body: v})
}

// askCalls asks for one page of calls. With patience, a filter that is still looking
// at calls one by one after a moment is left: the page's script goes on with it.
func (c *console) askCalls(ctx context.Context, m *backend.ReadModel, q callsQuery, patience bool) (page backend.CallPage, scanning bool, err error) {
	ask := q.backend()
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

// links fills in what leads to other states of the list.
func (v *callsView) links() {
	q := &v.Query
	to := func(change func(q *callsQuery)) string {
		other := *q
		other.Cursor = ""
		change(&other)
		return "/calls?" + other.values().Encode()
	}
	for _, col := range q.shownColumns() {
		h := heading{Title: col.Title, Class: col.Class}
		sorted := q.Sort == col.Name || q.Sort == "" && col.Name == "at"
		if sorted {
			h.Sorted = "ascending"
			if q.Desc || q.Sort == "" {
				h.Sorted = "descending"
			}
		}
		h.Href = to(func(other *callsQuery) {
			other.Sort, other.Desc = col.Name, col.Worst == "-"
			if sorted {
				other.Desc = h.Sorted == "ascending"
			}
		})
		v.Head = append(v.Head, h)
	}
	shown := q.shownColumns()
	for _, col := range callColumns() {
		v.Choices = append(v.Choices, choice{col.Name, col.Title, slices.ContainsFunc(shown, func(s column) bool { return s.Name == col.Name })})
	}
	for _, name := range rangeNames() {
		v.Ranges = append(v.Ranges, rangeLink{name, to(func(other *callsQuery) { other.Range = timeRange{Name: name} }), q.Range.Name == name && !q.wholeTime()})
	}
	v.Reset = to(func(other *callsQuery) { other.Search, other.Filter, other.Severity, other.Incident = "", "", "", "" })
	if q.Cursor != "" {
		v.First = to(func(*callsQuery) {})
	}
	v.Export = q.values().Encode()
	v.Typed = q.values()
	v.Typed.Del("col")
}

func (v *callsView) fill(page backend.CallPage) {
	columns := v.Query.shownColumns()
	for i := range page.Calls {
		v.Rows = append(v.Rows, cells(columns, &page.Calls[i]))
	}
	v.Scanned = page.Scanned
	if page.Next != "" {
		v.Next = v.after(page.Next)
	}
}

// after is the address of the page behind a cursor.
func (v *callsView) after(cursor string) string {
	next := v.Query.values()
	next.Set("cursor", cursor)
	return "/calls?" + next.Encode()
}

// What the template asks of the state, as texts.
func (v callsView) Sorting() string  { return v.Query.sorting() }
func (v callsView) From() string     { return v.Query.Range.From }
func (v callsView) To() string       { return v.Query.Range.To }
func (c callsQuery) WholeTime() bool { return c.wholeTime() }

// ExportQuery and ScanQuery are encoded parameters of an address.
func (v callsView) ExportQuery() template.URL { return template.URL(v.Export) } //nolint:gosec // url.Values.Encode wrote it
func (v callsView) ScanQuery() template.URL   { return template.URL(v.Scan) }   //nolint:gosec // url.Values.Encode wrote it
