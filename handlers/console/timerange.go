package console

import (
	"net/url"
	"strings"
	"time"

	"callwatch/rules"
)

// timeRange is the time that a page is about.
type timeRange struct {
	Name         string // of rangeNames; "": since and until were given
	Since, Until time.Time
	From, To     string // as they were typed
	Error        string // what is wrong with what was typed
}

// localTime is how browsers write the value of an input of date and time.
const localTime = "2006-01-02T15:04"

const usualRange = "24h"

// maxRange bounds a range that somebody types.
const maxRange = 366 * 24 * time.Hour

// rangeNames are the ranges to choose from.
func rangeNames() []string { return []string{"1h", "6h", "24h", "7d"} }

// rangeOf reads range, or since and until, from an address. What cannot be read
// leaves the usual range and says so.
func rangeOf(q url.Values, now time.Time) timeRange {
	r := timeRange{Name: usualRange, Until: now, From: strings.TrimSpace(q.Get("since")), To: strings.TrimSpace(q.Get("until"))}
	if r.From != "" || r.To != "" {
		since, ok := parseTime(r.From, now)
		until, okUntil := parseTime(r.To, now)
		if r.To == "" {
			until, okUntil = now, true
		}
		if r.From == "" {
			since, ok = until.Add(-24*time.Hour), okUntil
		}
		switch {
		case !ok || !okUntil:
			r.Error = "Write times like 2026-03-01T14:00, in UTC, or how long ago: 90m, 2d."
		case !since.Before(until):
			r.Error = "The end lies before the beginning."
		case until.Sub(since) > maxRange:
			r.Error = "Choose a year at most."
		default:
			r.Name, r.Since, r.Until = "", since, until
			return r
		}
	}
	for _, name := range rangeNames() {
		if name == q.Get("range") {
			r.Name = name
		}
	}
	length, _ := rules.ParseDuration(r.Name) // one of rangeNames
	r.Since = now.Add(-length)
	return r
}

// parseTime reads a point in time, or how long ago it was.
func parseTime(s string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, localTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), t.Year() > 1970 && t.Year() < 2200
		}
	}
	if d, err := rules.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), true
	}
	return time.Time{}, false
}

// query is the range as an address holds it.
func (r timeRange) query() url.Values {
	if r.Name != "" {
		return url.Values{"range": {r.Name}}
	}
	return url.Values{"since": {r.Since.UTC().Format(time.RFC3339)}, "until": {r.Until.UTC().Format(time.RFC3339)}}
}

// Text names the range in a sentence.
func (r timeRange) Text() string {
	switch r.Name {
	case "1h":
		return "last hour"
	case "6h":
		return "last 6 hours"
	case "24h":
		return "last 24 hours"
	case "7d":
		return "last 7 days"
	}
	return when(r.Since) + " to " + when(r.Until)
}

// bucket is the resolution of charts over the range.
func (r timeRange) bucket() time.Duration {
	length := r.Until.Sub(r.Since)
	for _, b := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		if length/b <= 48 {
			return b
		}
	}
	return 7 * 24 * time.Hour
}
