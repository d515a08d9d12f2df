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
	"callwatch/rules"
)

// MOS bands of ITU-T G.109: the scores of R 80, 70 and 60.
const (
	mosGood = 4.03
	mosFair = 3.60
	mosPoor = 3.10
)

// viewFuncs turn facts into words. They return plain text: html/template
// escapes all of it.
func viewFuncs() template.FuncMap {
	return template.FuncMap{
		"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"when":     when,
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"minute":   func(t time.Time) int64 { return t.Unix() / 60 },
		"tail":     tail,
		"score":    func(v *float64) string { return decimals(v, 2, "") },
		"band":     band,
		"bandOr":   bandOr,
		"mosMark":  mosMark,
		"loss":     loss,
		"ms":       func(v *float64) string { return decimals(v, 0, " ms") },
		"callPath": callPath,
		"pathEsc":  url.PathEscape,
		"json":     func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"labels":   labels,
		"count":    func(n any) string { return grouped(fmt.Sprint(n)) },
		"bytes":    sizeOf,
		"pct":      func(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" },
		"num":      func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) },
		"span":     span,
		"state":    stateOf,
		"known":    func(t time.Time) bool { return !t.IsZero() },
		"value":    value,
		"join":     strings.Join,
	}
}

// when is a point in time, to the second.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func callPath(provider, id string) string {
	return "/calls/" + url.PathEscape(provider) + "/" + url.PathEscape(id)
}

// tail is the end of an id: its start is often the same for all of them.
func tail(id string) string {
	const shown = 12
	r := []rune(id)
	if len(r) <= shown+1 {
		return id
	}
	return "…" + string(r[len(r)-shown:])
}

// decimals writes a number; "" where it is unknown.
func decimals(v *float64, n int, unit string) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', n, 64) + unit
}

// band names how a MOS would be felt; "" where it is unknown.
func band(mos *float64) string {
	switch {
	case mos == nil:
		return ""
	case *mos >= mosGood:
		return "good"
	case *mos >= mosFair:
		return "fair"
	case *mos >= mosPoor:
		return "poor"
	default:
		return "bad"
	}
}

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

// loss is the share of lost packets, or their number where only that is known.
func loss(e call.Event) string {
	switch {
	case e.PacketLossPct != nil:
		return decimals(e.PacketLossPct, 1, " %")
	case e.PacketsLost != nil:
		return grouped(strconv.FormatInt(*e.PacketsLost, 10)) + " pkt"
	}
	return ""
}

func labels(by []rules.Label) string {
	parts := make([]string, len(by))
	for i, l := range by {
		parts[i] = l.Name + " " + l.Value
	}
	return strings.Join(parts, " · ")
}

// stateOf is where an incident stands, as its list is divided.
func stateOf(in rules.Incident) string {
	switch {
	case in.State == rules.Resolved:
		return "resolved"
	case in.Silence != nil:
		return "silenced"
	case in.Acknowledged != nil:
		return "acknowledged"
	}
	return "open"
}

// grouped writes digits with thin spaces between thousands.
func grouped(s string) string {
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

func sizeOf(n uint64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, next
	}
	return strconv.FormatFloat(v, 'f', min(1, len(unit)-1), 64) + " " + unit
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
