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

// Next is when the hours begin after t; zero where they have no end or no day.
func (h *Hours) Next(t time.Time) time.Time {
	if h.Zone == nil {
		return time.Time{}
	}
	local := t.In(h.Zone)
	for day := range weekDays + 2 {
		start := h.start(local, day-1)
		if start.After(t) && h.Covers(start) && !h.Covers(start.Add(-time.Minute)) {
			return start.UTC()
		}
	}
	return time.Time{}
}

// Since is when the hours that cover t began; zero where they have no beginning
// or do not cover it.
func (h *Hours) Since(t time.Time) time.Time {
	if h.Zone == nil || !h.Covers(t) {
		return time.Time{}
	}
	local := t.In(h.Zone)
	for day := range weekDays + 2 {
		start := h.start(local, -day)
		if !start.After(t) && h.Covers(start) && !h.Covers(start.Add(-time.Minute)) {
			return start.UTC()
		}
	}
	return time.Time{}
}

// start is when the hours begin on a day near t. Where the clock is put forward
// over that minute, it is the first minute after.
func (h *Hours) start(t time.Time, days int) time.Time {
	y, m, d := t.Date()
	start := time.Date(y, m, d+days, h.From/60, h.From%60, 0, 0, h.Zone)
	weekday := time.Date(y, m, d+days, 12, 0, 0, 0, h.Zone).Weekday()
	for range 120 {
		if h.Covers(start) || !h.Days[weekday] {
			break
		}
		start = start.Add(time.Minute)
	}
	return start
}
