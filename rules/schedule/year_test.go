package schedule_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/rules/schedule"
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

// yearSchedules are several ranges, holidays on days of a change, and hours over midnight
// into and out of holidays.
var yearSchedules = []string{
	`[{hours: "08:00-12:00", days: mon-fri, tz: ZONE}, {hours: "13:00-18:00", days: mon-fri, tz: ZONE}, {hours: "02:10-02:40", days: sun, tz: ZONE}]`,
	`{hours: ["08:00-12:00", "12:00-18:00", "22:00-02:30"], tz: ZONE, holidays: [2026-03-29, 2026-10-25, 2026-12-25, 2026-12-26, 2026-03-08, 2026-11-01]}`,
	`[{hours: "22:00-06:00", days: fri-sun, tz: ZONE, holidays: [2026-03-28, 2026-10-24, 2026-04-05]}, {hours: "05:00-07:00", tz: ZONE}]`,
	`{holidays: [2026-04-04, 2026-04-05, 2026-10-03, 2026-10-04], tz: ZONE}`,
	`{days: mon-fri, holidays: testdata/holidays.ics, tz: ZONE}`,
	`[{days: mon-fri, tz: ZONE}, {days: sat-sun, hours: "00:00-24:00", tz: ZONE, holidays: 2026-10-04}]`,
}

// shows reports whether the hours cover what a clock shows at a time.
func shows(s schedule.Schedule, t time.Time) bool {
	for i := range s {
		h := &s[i]
		local := t.In(h.Zone)
		hour, minute, _ := local.Clock()
		now := 60*hour + minute
		y, m, d := local.Date()
		on := func(day time.Time) bool { // noon, UTC
			name := day.Format("20060102")
			_, off := h.Off.DaysNamed()[name]
			return h.Days[day.Weekday()] && !off
		}
		today, yesterday := time.Date(y, m, d, 12, 0, 0, 0, time.UTC), time.Date(y, m, d-1, 12, 0, 0, 0, time.UTC)
		switch {
		case h.From < h.To:
			if h.From <= now && now < h.To && on(today) {
				return true
			}
		case now >= h.From:
			if on(today) {
				return true
			}
		}
		if h.From >= h.To && now < h.To && on(yesterday) {
			return true
		}
	}
	return false
}

// Each minute of a year is covered or not as a clock shows it; the hours begin at a
// minute that is covered after one that is not, end at one that is not after one that is,
// and Next, Since and End name that minute.
func TestActiveHoursOfAYear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	plain(t)
	from := time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)
	const margin, minutes = 31 * schedule.DayMinutes, (31 + 365 + 31) * schedule.DayMinutes
	var schedules []string
	for _, hours := range yearHours {
		schedules = append(schedules, "{"+hours+", tz: ZONE}")
	}
	for _, zone := range yearZones {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append(schedules, yearSchedules...) {
			text = strings.ReplaceAll(text, "ZONE", zone)
			h := hoursOf(t, text)
			covered, begins, ends := make([]bool, minutes), []int{}, []int{}
			for m := range minutes {
				covered[m] = shows(h, from.Add(time.Duration(m)*time.Minute))
				if m > 0 && covered[m] && !covered[m-1] {
					begins = append(begins, m)
				}
				if m > 0 && !covered[m] && covered[m-1] {
					ends = append(ends, m)
				}
			}
			moment := func(m int) time.Time { return from.Add(time.Duration(m) * time.Minute) }
			// What is further away than two weeks need not be found.
			differs := func(got, want, at time.Time) bool {
				far := want.IsZero() || want.Sub(at).Abs() > 15*24*time.Hour
				return !got.Equal(want) && !(far && got.IsZero())
			}
			latest := func(list []int, m int) time.Time {
				if i, _ := slices.BinarySearch(list, m+1); i > 0 {
					return moment(list[i-1])
				}
				return time.Time{}
			}
			first := func(list []int, m int) time.Time {
				if i, _ := slices.BinarySearch(list, m+1); i < len(list) {
					return moment(list[i])
				}
				return time.Time{}
			}
			for m := margin; m < minutes-margin; m++ {
				at := moment(m)
				if h.Covers(at) != covered[m] || h.Covers(at.Add(59*time.Second)) != covered[m] {
					t.Fatalf("%s at %s: covers %v, want %v", text, at, h.Covers(at), covered[m])
				}
				if near := nearChange(at.In(location)); !near && m%97 != 0 {
					continue // Next, Since and End are searched: at every minute of the days of a change only
				}
				wantNext, wantSince, wantEnd := first(begins, m), time.Time{}, time.Time{}
				if covered[m] {
					wantSince, wantEnd = latest(begins, m), first(ends, m)
				}
				if got := h.Next(at); differs(got, wantNext, at) {
					t.Fatalf("%s at %s: next %s, want %s", text, at, got, wantNext)
				}
				if got := h.Since(at.Add(30 * time.Second)); differs(got, wantSince, at) {
					t.Fatalf("%s at %s: since %s, want %s", text, at, got, wantSince)
				}
				if got := h.End(at.Add(30 * time.Second)); differs(got, wantEnd, at) {
					t.Fatalf("%s at %s: end %s, want %s", text, at, got, wantEnd)
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
