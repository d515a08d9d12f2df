package rules

import "time"

// Hours are the times of the week at which a rule may open incidents, by the
// clock on the wall of one time zone. The zero value is always.
type Hours struct {
	From, To int // minutes of the day, To up to 24 h; over midnight where From is later
	Days     [7]bool
	Zone     *time.Location
}

const (
	dayMinutes = 24 * 60
	weekDays   = 7
)

func everyDay() [weekDays]bool { return [weekDays]bool{true, true, true, true, true, true, true} }

// Covers says whether t lies within the hours.
func (h *Hours) Covers(t time.Time) bool {
	if h.Zone == nil {
		return true
	}
	t = t.In(h.Zone)
	minute, today := t.Hour()*60+t.Minute(), int(t.Weekday())
	if h.From < h.To {
		return h.Days[today] && minute >= h.From && minute < h.To
	}
	yesterday := (today + weekDays - 1) % weekDays
	return h.Days[today] && minute >= h.From || h.Days[yesterday] && minute < h.To
}

// farthest is how many days from a time the hours are searched for a beginning. It
// is more than two weeks: where the hours of the only day of a week lie in the hour
// that the clock skips, they begin a week later.
const farthest = 16

// Next is when the hours begin after t; zero where they have no end or no day.
func (h *Hours) Next(t time.Time) time.Time {
	if h.Zone == nil {
		return time.Time{}
	}
	var next time.Time
	for day := -1; day <= farthest; day++ {
		h.beginnings(t, day, func(start time.Time) {
			if start.After(t) && (next.IsZero() || start.Before(next)) {
				next = start
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
func (h *Hours) Since(t time.Time) time.Time {
	if h.Zone == nil || !h.Covers(t) {
		return time.Time{}
	}
	var since time.Time
	for day := 1; day >= -farthest; day-- {
		h.beginnings(t, day, func(start time.Time) {
			if !start.After(t) && start.After(since) {
				since = start
			}
		})
		if !since.IsZero() && since.After(t.AddDate(0, 0, day+1)) {
			break // the days before began earlier
		}
	}
	return since
}

// beginnings yields the times at which the hours begin on the day that is a number
// of days from t. The hours begin where the clock shows From, which it does twice
// where it is put back over From, or where the clock is changed.
func (h *Hours) beginnings(t time.Time, days int, yield func(time.Time)) {
	y, m, d := t.In(h.Zone).Date()
	shown := time.Date(y, m, d+days, h.From/60, h.From%60, 0, 0, time.UTC)
	before, after := shown.AddDate(0, 0, -1).In(h.Zone), shown.AddDate(0, 0, 1).In(h.Zone)
	_, offset := before.Zone()
	candidates := []time.Time{shown.Add(-time.Duration(offset) * time.Second)}
	if _, other := after.Zone(); other != offset {
		candidates = append(candidates, shown.Add(-time.Duration(other)*time.Second))
	}
	if _, change := before.ZoneBounds(); !change.IsZero() && !change.After(after) {
		candidates = append(candidates, change)
	}
	for _, start := range candidates {
		if h.Covers(start) && !h.Covers(start.Add(-time.Nanosecond)) {
			yield(start.UTC())
		}
	}
}
