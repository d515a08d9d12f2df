// Package calllist is the list of calls in the console: what of it an address holds, its
// columns and cells, and its export as a file. It asks nobody for calls.
package calllist

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/format"
	"callwatch/handlers/console/period"
	"callwatch/handlers/wording"
	"callwatch/rules"
)

// Query is the state of the list, as its address holds it.
type Query struct {
	Search, Filter string
	Severity       string
	Incident       string // only the calls of this one
	Sort           string // a column
	Desc           bool
	Cursor         string
	Columns        []string // shown; none: the usual ones
	Range          period.Range
	Limit          int
}

const (
	callsPerPage = 50
	maxTyped     = 4096 // bytes of a search or filter
)

// QueryOf reads the state from the parameters of an address.
func QueryOf(q url.Values, now time.Time) Query {
	c := Query{
		Search: strings.TrimSpace(q.Get("q")), Filter: strings.TrimSpace(q.Get("filter")), Severity: q.Get("severity"),
		Incident: q.Get("incident"), Cursor: q.Get("cursor"), Range: period.Of(q, now), Limit: callsPerPage,
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		c.Limit = min(max(n, 1), 1000)
	}
	c.Sort, c.Desc = strings.CutPrefix(q.Get("sort"), "-")
	for _, column := range callColumns() {
		if slices.Contains(q["col"], column.Name) {
			c.Columns = append(c.Columns, column.Name)
		}
	}
	return c
}

// Values are the state as parameters of an address, without the cursor.
func (c *Query) Values() url.Values {
	v := c.Range.Query()
	if c.Incident != "" && c.Range.Name == period.Usual {
		v = url.Values{}
	}
	for name, value := range map[string]string{"q": c.Search, "filter": c.Filter, "severity": c.Severity, "incident": c.Incident} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if c.Sort != "" {
		v.Set("sort", c.sorting())
	}
	if len(c.Columns) > 0 {
		v["col"] = c.Columns
	}
	if c.Limit != callsPerPage {
		v.Set("limit", strconv.Itoa(c.Limit))
	}
	return v
}

func (c *Query) sorting() string {
	if c.Desc {
		return "-" + c.Sort
	}
	return c.Sort
}

// Backend is the state as the read model is asked.
func (c *Query) Backend() backend.CallQuery {
	q := backend.CallQuery{
		Search: c.Search, Filter: c.Filter, Severity: rules.Severity(c.Severity), Since: c.Range.Since, Until: c.Range.Until,
		Sort: c.Sort, Desc: c.Desc, Limit: c.Limit, Cursor: c.Cursor,
	}
	if c.Search != "" && c.Range.Name == period.Usual || c.Incident != "" {
		q.Since, q.Until = time.Time{}, time.Time{} // what is searched for is wanted whenever it was
	}
	return q
}

// TooLong reports whether more was typed than the list is searched for.
func (c *Query) TooLong() bool { return len(c.Search) > maxTyped || len(c.Filter) > maxTyped }

// wholeTime says that the list is not bounded by the range.
func (c *Query) wholeTime() bool {
	q := c.Backend()
	return q.Since.IsZero()
}

// Column is one column of the list of calls.
type Column struct {
	Name  string // that the read model sorts by
	Title string
	Class string
	Worst string // the first order when its title is pressed: "-" is largest first
	cell  func(r *backend.CallRow) cell
}

// cell is one cell of the list.
type cell struct {
	Kind  string // "", time, mos, severity
	Text  string
	Title string // the whole of a text that is cut
	Class string
	Label string // of the column, for narrow screens
	Href  string // of a time: the call
	At    time.Time
	Call  call.Event // of a MOS
}

func text(s string) cell { return cell{Text: s} }

// clipped is a text of a provider, cut at a sensible length.
func clipped(s string) cell {
	if r := []rune(s); len(r) > 28 {
		return cell{Text: string(r[:27]) + "…", Title: s}
	}
	return cell{Text: s}
}

// callColumns are all columns, in their order.
func callColumns() []Column {
	ms := func(of func(e *call.Event) *float64) func(r *backend.CallRow) cell {
		return func(r *backend.CallRow) cell { return text(wording.Decimals(of(&r.Call), 0, " ms")) }
	}
	return []Column{
		{"at", "Time", "", "-", func(r *backend.CallRow) cell {
			return cell{Kind: "time", At: r.At, Href: format.CallPath(r.Call.Source(), r.Call.CallID)}
		}},
		{"provider", "Provider", "", "", func(r *backend.CallRow) cell { return text(r.Call.Provider) }},
		{"direction", "Direction", "", "", func(r *backend.CallRow) cell { return text(r.Call.Direction) }},
		{"from", "From", "", "", func(r *backend.CallRow) cell { return clipped(r.Call.From) }},
		{"to", "To", "", "", func(r *backend.CallRow) cell { return clipped(r.Call.To) }},
		{"durationSec", "Duration", "num", "-", func(r *backend.CallRow) cell { return text(wording.Seconds(r.Call.DurationSec)) }},
		{"status", "Status", "", "", func(r *backend.CallRow) cell {
			c := clipped(r.Call.Status)
			if r.Call.Status == call.Failed {
				c.Class = "fail"
			}
			return c
		}},
		{"mos", "MOS", "", "", func(r *backend.CallRow) cell {
			if r.Call.MOS == nil {
				return cell{}
			}
			return cell{Kind: "mos", Call: r.Call, Text: "mos"}
		}},
		{"packetLossPct", "Loss", "num", "-", func(r *backend.CallRow) cell { return text(wording.Loss(r.Call)) }},
		{"jitterMs", "Jitter", "num", "-", ms(func(e *call.Event) *float64 { return e.JitterMs })},
		{"turnLatencyMs", "Turn time", "num", "-", ms(func(e *call.Event) *float64 { return e.TurnLatencyMs })},
		{"agentName", "Agent", "", "", func(r *backend.CallRow) cell {
			if r.Call.AgentName != "" {
				return clipped(r.Call.AgentName)
			}
			return clipped(r.Call.AgentID)
		}},
		{"region", "Region", "", "", func(r *backend.CallRow) cell { return clipped(r.Call.Region) }},
		{"severity", "Severity", "", "-", func(r *backend.CallRow) cell {
			if r.Severity == "" {
				return cell{}
			}
			c := cell{Kind: "severity", Text: string(r.Severity)}
			if len(r.Incidents) > 0 {
				c.Href = "/incidents/" + url.PathEscape(r.Incidents[len(r.Incidents)-1])
			}
			return c
		}},
		{"rttMs", "RTT", "num", "-", ms(func(e *call.Event) *float64 { return e.RTTMs })},
		{"codec", "Codec", "", "", func(r *backend.CallRow) cell { return clipped(r.Call.Codec) }},
		{"hangupCause", "Hangup cause", "", "", func(r *backend.CallRow) cell { return clipped(r.Call.HangupCause) }},
		{"account", "Account", "", "", func(r *backend.CallRow) cell { return clipped(r.Account) }},
		{"callId", "Call", "", "", func(r *backend.CallRow) cell {
			return cell{Text: wording.Tail(r.Call.CallID, 12), Title: r.Call.CallID, Class: "mono"}
		}},
	}
}

const usualColumns = 14 // shown unless others are chosen

// Shown are the chosen columns, or the usual ones.
func (c *Query) Shown() []Column {
	all := callColumns()
	if len(c.Columns) == 0 {
		return all[:usualColumns]
	}
	return slices.DeleteFunc(all, func(col Column) bool { return !slices.Contains(c.Columns, col.Name) })
}

// Cells are the row of a call.
func Cells(columns []Column, r *backend.CallRow) []cell {
	row := make([]cell, len(columns))
	for i := range columns {
		c := columns[i].cell(r)
		c.Label, c.Class = columns[i].Title, strings.TrimSpace(columns[i].Class+" "+c.Class)
		row[i] = c
	}
	return row
}
