package calllist

import (
	"html/template"
	"net/url"
	"slices"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/period"
	"callwatch/rules"
)

// View is what the page of the list shows.
type View struct {
	Query    Query
	Problems rules.Problems // of the filter
	Error    string         // of anything else that was typed
	Head     []heading
	Rows     [][]cell
	Choices  []choice // columns
	Ranges   []period.Link
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

// New is the page of a list, without calls, with what leads to other states of it.
func New(of Query) *View {
	v := &View{Query: of, Error: of.Range.Error}
	q := &v.Query
	to := func(change func(q *Query)) string {
		other := *q
		other.Cursor = ""
		change(&other)
		return "/calls?" + other.Values().Encode()
	}
	for _, col := range q.Shown() {
		h := heading{Title: col.Title, Class: col.Class}
		sorted := q.Sort == col.Name || q.Sort == "" && col.Name == "at"
		if sorted {
			h.Sorted = "ascending"
			if q.Desc || q.Sort == "" {
				h.Sorted = "descending"
			}
		}
		h.Href = to(func(other *Query) {
			other.Sort, other.Desc = col.Name, col.Worst == "-"
			if sorted {
				other.Desc = h.Sorted == "ascending"
			}
		})
		v.Head = append(v.Head, h)
	}
	shown := q.Shown()
	for _, col := range callColumns() {
		v.Choices = append(v.Choices, choice{col.Name, col.Title, slices.ContainsFunc(shown, func(s Column) bool { return s.Name == col.Name })})
	}
	for _, name := range period.Names() {
		v.Ranges = append(v.Ranges, period.Link{Name: name, Href: to(func(other *Query) { other.Range = period.Range{Name: name} }), On: q.Range.Name == name && !q.wholeTime()})
	}
	v.Reset = to(func(other *Query) { other.Search, other.Filter, other.Severity, other.Incident = "", "", "", "" })
	if q.Cursor != "" {
		v.First = to(func(*Query) {})
	}
	v.Export = q.Values().Encode()
	v.Typed = q.Values()
	v.Typed.Del("col")
	return v
}

// Fill shows a page of calls.
func (v *View) Fill(page backend.CallPage) {
	columns := v.Query.Shown()
	for i := range page.Calls {
		v.Rows = append(v.Rows, Cells(columns, &page.Calls[i]))
	}
	v.Scanned = page.Scanned
	if page.Next != "" {
		v.Next = v.After(page.Next)
	}
}

// After is the address of the page behind a cursor.
func (v *View) After(cursor string) string {
	next := v.Query.Values()
	next.Set("cursor", cursor)
	return "/calls?" + next.Encode()
}

// What the template asks of the state, as texts.
func (v View) Sorting() string  { return v.Query.sorting() }
func (v View) From() string     { return v.Query.Range.From }
func (v View) To() string       { return v.Query.Range.To }
func (c Query) WholeTime() bool { return c.wholeTime() }

// ExportQuery and ScanQuery are encoded parameters of an address.
func (v View) ExportQuery() template.URL { return template.URL(v.Export) } //nolint:gosec // url.Values.Encode wrote it
func (v View) ScanQuery() template.URL   { return template.URL(v.Scan) }   //nolint:gosec // url.Values.Encode wrote it
