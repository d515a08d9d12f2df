// Package period is the time that a page of the console is about, as an address holds
// it and as people type it.
package period

import (
	"net/url"
	"strings"
	"time"

	"callwatch/rules"
)

// Range is the time that a page is about.
type Range struct {
	Name         string // of Names; "": since and until were given
	Since, Until time.Time
	From, To     string // as they were typed
	Error        string // what is wrong with what was typed
}

// Local is how browsers write the value of an input of date and time.
const Local = "2006-01-02T15:04"

// Usual is the range of a page that is asked for no other.
const Usual = "24h"

// maxRange bounds a range that somebody types.
const maxRange = 366 * 24 * time.Hour

// Names are the ranges to choose from.
func Names() []string { return []string{"1h", "6h", "24h", "7d"} }

// Of reads range, or since and until, from an address. What cannot be read
// leaves the usual range and says so.
func Of(q url.Values, now time.Time) Range {
	r := Range{Name: Usual, Until: now, From: strings.TrimSpace(q.Get("since")), To: strings.TrimSpace(q.Get("until"))}
	if r.From != "" || r.To != "" {
		since, ok := Parse(r.From, now)
		until, okUntil := Parse(r.To, now)
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
	for _, name := range Names() {
		if name == q.Get("range") {
			r.Name = name
		}
	}
	length, _ := rules.ParseDuration(r.Name) // one of Names
	r.Since = now.Add(-length)
	return r
}

// Parse reads a point in time, or how long ago it was.
func Parse(s string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, Local, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), t.Year() > 1970 && t.Year() < 2200
		}
	}
	if d, err := rules.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), true
	}
	return time.Time{}, false
}

// Query is the range as an address holds it.
func (r Range) Query() url.Values {
	if r.Name != "" {
		return url.Values{"range": {r.Name}}
	}
	return url.Values{"since": {r.Since.UTC().Format(time.RFC3339)}, "until": {r.Until.UTC().Format(time.RFC3339)}}
}

// Text names the range in a sentence.
func (r Range) Text() string {
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
	return r.Since.UTC().Format(time.DateTime) + " to " + r.Until.UTC().Format(time.DateTime)
}

// Bucket is the resolution of charts over the range.
func (r Range) Bucket() time.Duration {
	length := r.Until.Sub(r.Since)
	for _, b := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		if length/b <= 48 {
			return b
		}
	}
	return 7 * 24 * time.Hour
}

// Link leads to the same page of another range.
type Link struct {
	Name, Href string
	On         bool
}
