package rules

import (
	"fmt"
	"testing"
	"time"
)

var yearZones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"}

// yearHours are hours of which many begin or end in an hour that is skipped or
// comes twice in one of yearZones.
var yearHours = []string{
	"hours: \"08:00-20:00\", days: mon-fri", "hours: \"22:00-06:00\", days: [fri, sat]", "hours: \"22:00-02:30\", days: sat",
	"hours: \"22:00-01:45\"", "hours: \"02:30-05:00\"", "hours: \"01:30-05:00\"", "hours: \"00:30-01:45\"", "hours: \"02:10-02:50\"",
	"hours: \"01:10-01:50\", days: sun", "hours: \"02:10-02:20\", days: sun", "hours: \"02:00-03:00\", days: sun", "hours: \"03:00-02:00\"",
	"hours: \"01:45-01:40\"", "hours: \"02:15-02:10\", days: [sat, sun]", "hours: \"00:00-24:00\", days: sun", "hours: \"00:00-24:00\", days: mon-sat",
	"hours: \"23:30-00:30\", days: sat", "hours: \"00:00-00:30\"", "days: mon-fri", "hours: \"23:45-24:00\", days: [sat]",
}

// shows reports whether the hours cover what a clock shows at a time.
func shows(h *Hours, t time.Time) bool {
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

// Each minute of a year is covered or not as a clock shows it; the hours begin at a
// minute that is covered after one that is not, and Next and Since name that minute.
func TestActiveHoursOfAYear(t *testing.T) {
	plain(t)
	from := time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)
	const margin, minutes = 31 * dayMinutes, (31 + 365 + 31) * dayMinutes
	for _, zone := range yearZones {
		for _, hours := range yearHours {
			h := hoursOf(t, fmt.Sprintf("{%s, tz: %s}", hours, zone))
			covered, begins := make([]bool, minutes), []int{}
			for m := range minutes {
				covered[m] = shows(h, from.Add(time.Duration(m)*time.Minute))
				if m > 0 && covered[m] && !covered[m-1] {
					begins = append(begins, m)
				}
			}
			next := 0
			for m := margin; m < minutes-margin; m++ {
				for begins[next] <= m {
					next++
				}
				at := from.Add(time.Duration(m) * time.Minute)
				if h.Covers(at) != covered[m] || h.Covers(at.Add(59*time.Second)) != covered[m] {
					t.Fatalf("{%s, tz: %s} at %s: covers %v, want %v", hours, zone, at, h.Covers(at), covered[m])
				}
				if near := nearChange(at.In(h.Zone)); !near && m%97 != 0 {
					continue // Next and Since are searched: at every minute of the days of a change only
				}
				wantNext, wantSince := from.Add(time.Duration(begins[next])*time.Minute), time.Time{}
				if covered[m] {
					wantSince = from.Add(time.Duration(begins[next-1]) * time.Minute)
				}
				if got := h.Next(at); !got.Equal(wantNext) {
					t.Fatalf("{%s, tz: %s} at %s: next %s, want %s", hours, zone, at, got, wantNext)
				}
				if got := h.Since(at.Add(30 * time.Second)); !got.Equal(wantSince) {
					t.Fatalf("{%s, tz: %s} at %s: since %s, want %s", hours, zone, at, got, wantSince)
				}
			}
		}
	}
}

// nearChange reports whether the clock changes within 12 hours of t.
func nearChange(t time.Time) bool {
	_, before := t.Add(-12 * time.Hour).Zone()
	_, after := t.Add(12 * time.Hour).Zone()
	return before != after
}
