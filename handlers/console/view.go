package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/console/calllist"
	"callwatch/handlers/wording"
	"callwatch/rules"
)

// viewFuncs turn facts into words. They return plain text: html/template
// escapes all of it. base is what links to pages begin with.
func viewFuncs(base string) template.FuncMap {
	return template.FuncMap{
		"base":       func(path string) string { return base + path },
		"severities": func() []string { return []string{"critical", "warning", "info"} },
		"clock":      func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"when":       when,
		"iso":        iso,
		"minute":     func(t time.Time) int64 { return t.Unix() / 60 },
		"tail":       tail,
		"score":      func(v *float64) string { return wording.Decimals(v, 2, "") },
		"band":       wording.Band,
		"bandOr":     bandOr,
		"mosMark":    mosMark,
		"loss":       wording.Loss,
		"ms":         func(v *float64) string { return wording.Decimals(v, 0, " ms") },
		"callPath":   func(source, id string) string { return base + calllist.CallPath(source, id) },
		"pathEsc":    url.PathEscape,
		"json":       func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"labels":     wording.Labels,
		"count":      func(n any) string { return wording.Grouped(fmt.Sprint(n)) },
		"bytes":      wording.Bytes,
		"pct":        func(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" },
		"num":        func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) },
		"span":       span,
		"seconds":    func(n int64) string { return span(time.Duration(n) * time.Second) },
		"state":      stateOf,
		"calls":      callsOf,
		"unmeasured": unmeasured,
		"known":      func(t time.Time) bool { return !t.IsZero() },
		"value":      value,
		"join":       strings.Join,
		"shortTime":  func(t time.Time) string { return t.UTC().Format("01-02 15:04:05") },
		"heldBack":   heldBack,
		"fileSize":   func(n int64) string { return wording.Bytes(uint64(max(n, 0))) },
	}
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// when is a point in time, to the second.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// tail is the end of an id: its start is often the same for all of them.
func tail(id string) string { return wording.Tail(id, 12) }

// mosMark says in a word whose figure a MOS is.
func mosMark(source string) string {
	switch source {
	case call.FromProvider:
		return "reported"
	case call.Estimated:
		return "estimated"
	case call.NoMedia:
		return "no media"
	}
	return ""
}

// stateOf is the state of an incident, as its list is divided.
func stateOf(in rules.Incident) string {
	switch {
	case in.State == rules.Resolved:
		return "resolved"
	case in.Mode == rules.Shadow:
		return "shadow"
	case in.Silence != nil:
		return "silenced"
	case in.Acknowledged != nil:
		return "acknowledged"
	}
	return "open"
}

// callsOf counts the calls of an incident: of a rule over windows among those
// measured, of any other among those judged.
func callsOf(in rules.Incident) string {
	word := "judged"
	if in.Values != nil {
		word = "measured"
	}
	return wording.Grouped(fmt.Sprint(in.Counts.Matched)) + " matched of " + wording.Grouped(fmt.Sprint(in.Counts.Measured())) + " " + word
}

// unmeasured counts the calls that callsOf leaves out; "" for none.
func unmeasured(in rules.Incident) string {
	n, word := in.Counts.Unjudged-in.Counts.Partial, " unjudged"
	if in.Values != nil {
		word = " not measured"
	}
	if n <= 0 {
		return ""
	}
	return wording.Grouped(fmt.Sprint(n)) + word
}

// span is a length of time in its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var parts []string
	for _, u := range units {
		if n := d / u.of; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.of
		}
	}
	if parts == nil {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

// value is the value of a sub-expression; "" where it is unknown.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case string:
		return strconv.Quote(v)
	case time.Time:
		return when(v)
	}
	s := fmt.Sprint(v)
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

// heldBack says what kept matches from alerting; "" for nothing.
func heldBack(h rules.HeldBack) string {
	var parts []string
	for _, x := range []struct {
		n    int
		text string
	}{{h.ActiveHours, "outside of active hours"}, {h.Cooldown, "during a cooldown"}, {h.Silences, "by silences"}} {
		if x.n > 0 {
			parts = append(parts, wording.Grouped(strconv.Itoa(x.n))+" "+x.text)
		}
	}
	return strings.Join(parts, ", ")
}
