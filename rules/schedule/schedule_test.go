package schedule_test

import (
	"testing"
	"time"

	"callwatch/rules/rulefmt"
	"callwatch/rules/schedule"
)

func hoursOf(t testing.TB, active string) schedule.Schedule {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: a, when: mos < 3.5, active: "+active+"}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set.Rules[0].Active.All
}

func TestActiveHours(t *testing.T) {
	const office = `{hours: "08:00-20:00", days: mon-fri, tz: Europe/Berlin}`
	const night = `{hours: "22:00-06:00", days: [fri, sat], tz: America/New_York}`
	for _, c := range []struct {
		hours, at string
		covers    bool
		since     string // "" for none
		next      string
	}{
		{office, "2026-10-23T18:00:00Z", false, "", "2026-10-26T07:00:00Z"}, // clocks go back between
		{office, "2026-10-23T17:59:59Z", true, "2026-10-23T06:00:00Z", "2026-10-26T07:00:00Z"},
		{office, "2026-03-27T19:00:00Z", false, "", "2026-03-30T06:00:00Z"}, // and forward
		{night, "2026-11-21T02:59:00Z", false, "", "2026-11-21T03:00:00Z"},
		{night, "2026-11-22T10:59:00Z", true, "2026-11-22T03:00:00Z", "2026-11-28T03:00:00Z"},
		{night, "2026-11-23T04:00:00Z", false, "", "2026-11-28T03:00:00Z"},
		{`{days: mon-fri}`, "2026-11-18T12:00:00Z", true, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{`{tz: UTC}`, "2026-11-18T12:00:00Z", true, "", ""},
		{`{hours: "02:30-05:00", tz: Europe/Berlin}`, "2026-03-29T00:45:00Z", false, "", "2026-03-29T01:00:00Z"}, // that day has no 02:30
	} {
		h, at := hoursOf(t, c.hours), moment(t, c.at)
		if h.Covers(at) != c.covers || !h.Since(at).Equal(moment(t, c.since)) || !h.Next(at).Equal(moment(t, c.next)) {
			t.Errorf("%s at %s: %v since %s, next %s; want %v, %s, %s", c.hours, c.at, h.Covers(at), h.Since(at), h.Next(at), c.covers, c.since, c.next)
		}
	}
}

func moment(t *testing.T, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
