// Package format turns facts into the words that templates of the console show. It
// returns plain text, which html/template escapes.
package format

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/wording"
	"callwatch/rules"
)

// Funcs are what templates call. base is what links to pages begin with.
func Funcs(base string) template.FuncMap {
	return template.FuncMap{
		"base":       func(path string) string { return base + path },
		"severities": func() []string { return []string{"critical", "warning", "info"} },
		"clock":      func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"when":       Time,
		"iso":        iso,
		"minute":     func(t time.Time) int64 { return t.Unix() / 60 },
		"tail":       Tail,
		"score":      func(v *float64) string { return wording.Decimals(v, 2, "") },
		"band":       wording.Band,
		"bandOr":     Band,
		"mosMark":    Source,
		"loss":       wording.Loss,
		"ms":         func(v *float64) string { return wording.Decimals(v, 0, " ms") },
		"callPath":   func(source, id string) string { return base + CallPath(source, id) },
		"pathEsc":    url.PathEscape,
		"json":       func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"labels":     wording.Labels,
		"count":      func(n any) string { return wording.Grouped(fmt.Sprint(n)) },
		"bytes":      wording.Bytes,
		"pct":        func(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" },
		"num":        func(v float64) string { return wording.Grouped(wording.Significant(v, 4)) },
		"span":       Span,
		"seconds":    func(n int64) string { return Span(time.Duration(n) * time.Second) },
		"state":      State,
		"calls":      callsOf,
		"unmeasured": unmeasured,
		"known":      func(t time.Time) bool { return !t.IsZero() },
		"value":      Value,
		"join":       strings.Join,
		"shortTime":  func(t time.Time) string { return t.UTC().Format("01-02 15:04:05") },
		"heldBack":   heldBack,
		"fileSize":   func(n int64) string { return wording.Bytes(uint64(max(n, 0))) },
	}
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Time is a point in time, to the second.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// Tail is the end of an id: its start is often the same for all of them.
func Tail(id string) string { return wording.Tail(id, 12) }

// Source says in a word whose figure a MOS is.
func Source(source string) string {
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

// State is the state of an incident, as its list is divided.
func State(in rules.Incident) string {
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

// Span is a length of time in its two largest units.
func Span(d time.Duration) string {
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

// Value is the value of a sub-expression; "" where it is unknown.
func Value(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return wording.Significant(v, 6)
	case string:
		return strconv.Quote(v)
	case time.Time:
		return Time(v)
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

// Band is how a MOS felt, "none" where it is unknown.
func Band(mos *float64) string {
	if mos == nil {
		return "none"
	}
	return wording.Band(mos)
}

// CallPath is the address of the page of a call.
func CallPath(source, id string) string {
	return "/calls/" + url.PathEscape(source) + "/" + url.PathEscape(id)
}
