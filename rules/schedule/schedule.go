// Package schedule tells times of the week by the clock of a time zone, and holidays: when
// they begin and end, over changes of the clock. It imports nothing of callwatch.
package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Hours are times of the week by the clock on the wall of one time zone, less holidays.
// What begins on a day and goes on over midnight belongs to that day.
type Hours struct {
	From, To int            // minutes of the day, To up to 24 h; over midnight where From is later
	Days     [WeekDays]bool // Sunday first
	Zone     *time.Location
	Off      *Holidays // days on which they do not begin; nil for none
}

// Schedule is when any of its hours are. The zero value is always.
type Schedule []Hours

const (
	DayMinutes = 24 * 60 // without a change of the clock
	WeekDays   = 7
)

// EveryDay is each day of the week.
func EveryDay() [WeekDays]bool { return [WeekDays]bool{true, true, true, true, true, true, true} }

// Covers says whether t lies within the hours.
func (h *Hours) Covers(t time.Time) bool {
	t = t.In(h.Zone)
	minute := t.Hour()*60 + t.Minute()
	if h.From < h.To {
		return minute >= h.From && minute < h.To && h.on(t)
	}
	return minute >= h.From && h.on(t) || minute < h.To && h.on(noonBefore(t))
}

// on says whether hours begin on the day that a clock shows.
func (h *Hours) on(day time.Time) bool { return h.Days[day.Weekday()] && !h.Off.Cover(day) }

// noonBefore is the noon of the day before, of which the clock shows the same in every zone.
func noonBefore(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d-1, 12, 0, 0, 0, time.UTC)
}

// Covers says whether t lies within one of the hours.
func (s Schedule) Covers(t time.Time) bool {
	for i := range s {
		if s[i].Covers(t) {
			return true
		}
	}
	return len(s) == 0
}

// farthest is how many days from a time the hours are searched for a beginning, beside
// the holidays that follow each other. It is more than two weeks: where the hours of the
// only day of a week lie in the hour that the clock skips, they begin a week later.
const farthest = 16

// days is how far away the next beginning or end of the hours is at most.
func (s Schedule) days() int {
	run := 0
	for i := range s {
		run = max(run, s[i].Off.run())
	}
	return farthest + run
}

// Next is when the hours begin after t; zero where they have no end or no day.
func (s Schedule) Next(t time.Time) time.Time { return s.next(t, true) }

// End is when the hours that cover t end; zero where they do not cover it, or end too
// far away.
func (s Schedule) End(t time.Time) time.Time {
	if !s.Covers(t) {
		return time.Time{}
	}
	return s.next(t, false)
}

// next is the first time after t at which the hours begin, or end.
func (s Schedule) next(t time.Time, begins bool) time.Time {
	var next time.Time
	for day, most := -2, s.days(); day <= most && len(s) > 0; day++ {
		s.changes(t, day, begins, func(at time.Time) {
			if at.After(t) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		})
		if !next.IsZero() && next.Before(t.AddDate(0, 0, day-1)) {
			break // the days that follow begin later
		}
	}
	return next
}

// Since is when the hours that cover t began; zero where they have no beginning
// or do not cover it.
func (s Schedule) Since(t time.Time) time.Time {
	var since time.Time
	if !s.Covers(t) {
		return since
	}
	for day, most := 1, s.days(); day >= -most && len(s) > 0; day-- {
		s.changes(t, day, true, func(at time.Time) {
			if !at.After(t) && at.After(since) {
				since = at
			}
		})
		if !since.IsZero() && since.After(t.AddDate(0, 0, day+1)) {
			break // the days before began earlier
		}
	}
	return since
}

// changes yields the times at which the hours begin, or end, on the day that is a number
// of days from t. Hours begin where the clock shows From, which it does twice where it is
// put back over From, or where the clock is changed.
func (s Schedule) changes(t time.Time, days int, begins bool, yield func(time.Time)) {
	for i := range s {
		h := &s[i]
		minute := h.From
		if !begins {
			minute = h.To
		}
		y, m, d := t.In(h.Zone).Date()
		shown := time.Date(y, m, d+days, minute/60, minute%60, 0, 0, time.UTC)
		before, after := shown.AddDate(0, 0, -1).In(h.Zone), shown.AddDate(0, 0, 1).In(h.Zone)
		_, offset := before.Zone()
		candidates := []time.Time{shown.Add(-time.Duration(offset) * time.Second)}
		if _, other := after.Zone(); other != offset {
			candidates = append(candidates, shown.Add(-time.Duration(other)*time.Second))
		}
		if _, change := before.ZoneBounds(); !change.IsZero() && !change.After(after) {
			candidates = append(candidates, change)
		}
		for _, at := range candidates {
			if s.Covers(at) == begins && s.Covers(at.Add(-time.Nanosecond)) != begins {
				yield(at.UTC())
			}
		}
	}
}

// String tells schedules apart.
func (s Schedule) String() string {
	var parts []string
	for i := range s {
		h := &s[i]
		part := fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60)
		for d, on := range h.Days {
			if on {
				part += " " + strings.ToLower(time.Weekday(d).String()[:3])
			}
		}
		if part += " " + h.Zone.String(); h.Off != nil {
			part += fmt.Sprintf(" but %d holidays", len(h.Off.days)+len(h.Off.yearly))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
