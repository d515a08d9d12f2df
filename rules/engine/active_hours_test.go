package engine

import (
	"fmt"
	"testing"
	"time"

	"callwatch/rules/schedule"
)

func TestOutsideOfTheHoursNothingOpens(t *testing.T) {
	f := newFeed(t, `rules: [{name: low, when: mos < 3.5, active: {hours: "13:00-14:00"}, resolve_after: 2h}]`)
	f.calls(1, 0, mos(2))
	if len(f.out) != 0 {
		t.Fatal("opened at noon")
	}
	f.wait(time.Hour).calls(1, 0, mos(2)).wait(90*time.Minute).calls(1, 0, mos(2))
	if got := f.engine.Incidents(); len(got) != 1 || got[0].Counts.Matched != 2 {
		t.Errorf("%v: a call joins an open incident at any hour", f.steps())
	}
}

// A key is missed once the hours have covered, without a break, as many minutes as
// the rule waits: minutes that the clock skips do not count, minutes that it shows
// twice count twice.
func TestAbsenceWhereTheClockChanges(t *testing.T) {
	for zone, changes := range map[string][]string{
		"Europe/Berlin":       {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
		"America/New_York":    {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
		"Australia/Lord_Howe": {"2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"},
	} {
		for _, hours := range []string{
			"02:30-05:00", "01:30-05:00", "22:00-02:30", "01:15-01:50", "02:00-03:00", "00:00-24:00", "01:45-01:40", "20:00-04:00", "02:10-02:50",
		} {
			for _, wait := range []int{30, 50, 90} {
				for _, change := range changes {
					for _, before := range []int{10, 25, 40, 61, 100, 400} {
						checkAbsence(t, zone, hours, wait, momentOf(t, change).Add(-time.Duration(before)*time.Minute))
					}
				}
			}
		}
	}
}

// checkAbsence checks when a rule opens that saw its latest call at a time.
func checkAbsence(t *testing.T, zone, hours string, wait int, seen time.Time) {
	t.Helper()
	text := fmt.Sprintf("rules: [{name: quiet, absent: %dm, by: [], active: {hours: %q, tz: %s}}]", wait, hours, zone)
	f := newFeed(t, text)
	f.at = seen
	f.event(ended("1", mos(4)))
	f.wait(4 * 24 * time.Hour)
	h, without, want := &f.engine.set.Rules[0].Active.All[0], 0, ""
	for m := seen; m.Before(f.at); m = m.Add(time.Minute) {
		// At the end of the last minute of the wait the hours may be over: nothing
		// opens then, and the wait begins again with the next hours.
		if without >= wait && clockShows(h, m) {
			want = m.Format(time.RFC3339)
			break
		}
		if without++; !clockShows(h, m) {
			without = 0
		}
	}
	got := ""
	if len(f.out) > 0 {
		got = f.out[0].Incident.OpenedAt.Format(time.RFC3339)
	}
	if len(f.out) > 1 || got != want {
		t.Errorf("absent: %dm in %s of %s, a call at %s: opens %q, want %q", wait, hours, zone, seen, got, want)
	}
}

// clockShows reports whether the hours cover what a clock shows at a time.
func clockShows(h *schedule.Hours, t time.Time) bool {
	local := t.In(h.Zone)
	hour, minute, _ := local.Clock()
	now := 60*hour + minute
	today := local.Weekday()
	yesterday := (today + 6) % 7
	switch {
	case h.From < h.To:
		return h.Days[today] && h.From <= now && now < h.To
	case now >= h.From:
		return h.Days[today]
	default:
		return h.Days[yesterday] && now < h.To
	}
}

func momentOf(t *testing.T, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
