package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxHolidays is how many days there may be.
const MaxHolidays = 20_000

const maxEvent = 62 // days of one entry of a calendar

// Holidays are days of the calendar.
type Holidays struct {
	days   map[dayOf]bool
	yearly map[dayOf]bool // with year 0
}

// dayOf is a day of the calendar, wherever that is.
type dayOf struct {
	year  int
	month time.Month
	day   int
}

func dayOfTime(t time.Time) dayOf {
	y, m, d := t.Date()
	return dayOf{y, m, d}
}

// Cover reports whether the day on which a clock shows t is a holiday.
func (h *Holidays) Cover(t time.Time) bool {
	if h == nil {
		return false
	}
	d := dayOfTime(t)
	return h.days[d] || h.yearly[dayOf{0, d.month, d.day}]
}

// NewHolidays returns no days.
func NewHolidays() *Holidays { return &Holidays{days: map[dayOf]bool{}, yearly: map[dayOf]bool{}} }

// Add adds the day on which a clock shows t, or that day of every year. It reports whether
// there are no more than MaxHolidays.
func (h *Holidays) Add(t time.Time, yearly bool) bool {
	d := dayOfTime(t)
	if yearly {
		d.year = 0
		h.yearly[d] = true
	} else {
		h.days[d] = true
	}
	return len(h.days)+len(h.yearly) <= MaxHolidays
}

// run is the most holidays that follow each other, where yearly ones are counted as if
// each could be beside any other.
func (h *Holidays) run() int {
	if h == nil {
		return 0
	}
	longest := 0
	for d := range h.days {
		at := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
		if h.days[dayOfTime(at.AddDate(0, 0, -1))] {
			continue
		}
		n := 1
		for h.days[dayOfTime(at.AddDate(0, 0, n))] {
			n++
		}
		longest = max(longest, n)
	}
	return min(longest+len(h.yearly), 366+longest)
}

// ReadCalendar adds the days of the events of an iCalendar file (RFC 5545). Events that
// repeat do so every year on their day; of others the days must be written out.
func (h *Holidays) ReadCalendar(text []byte) error {
	var event struct {
		in, cancelled, yearly bool
		start, end            time.Time
		until                 time.Time
	}
	events := 0
	for number, line := range contentLines(string(text)) {
		name, value, ok := property(line)
		if !ok {
			continue
		}
		var err error
		switch {
		case name == "BEGIN" && value == "VEVENT":
			event.in, event.cancelled, event.yearly = true, false, false
			event.start, event.end, event.until = time.Time{}, time.Time{}, time.Time{}
		case !event.in:
		case name == "DTSTART":
			event.start, err = calendarDay(value, false)
		case name == "DTEND":
			event.end, err = calendarDay(value, true)
		case name == "STATUS":
			event.cancelled = value == "CANCELLED"
		case name == "RRULE":
			event.yearly, err = everyYear(value)
		case name == "END" && value == "VEVENT":
			event.in = false
			events++
			if event.cancelled {
				continue
			}
			if event.start.IsZero() {
				return fmt.Errorf("line %d: an event has no DTSTART", number)
			}
			if event.end.IsZero() || !event.end.After(event.start) {
				event.end = event.start.AddDate(0, 0, 1)
			}
			if event.end.After(event.start.AddDate(0, 0, maxEvent)) {
				return fmt.Errorf("line %d: an event is longer than %d days", number, maxEvent)
			}
			for d := event.start; d.Before(event.end); d = d.AddDate(0, 0, 1) {
				if !h.Add(d, event.yearly) {
					return fmt.Errorf("it has more than %d days", MaxHolidays)
				}
			}
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if events == 0 {
		return fmt.Errorf("it has no event")
	}
	return nil
}

// contentLines yields the lines of a calendar by the number they begin at. One that
// begins with a space goes on with the one before.
func contentLines(text string) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		line, at, number := "", 1, 0
		for next := range strings.Lines(text) {
			number++
			next = strings.TrimRight(next, "\r\n")
			if rest, folded := strings.CutPrefix(next, " "); folded || strings.HasPrefix(next, "\t") {
				if !folded {
					rest = next[1:]
				}
				if len(line) < 1000 { // no property that is read is longer
					line += rest
				}
				continue
			}
			if line != "" && !yield(at, line) {
				return
			}
			line, at = next, number
		}
		if line != "" {
			yield(at, line)
		}
	}
}

// property is the name and the value of a content line, without its parameters.
func property(line string) (name, value string, ok bool) {
	quoted := false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			name, _, _ = strings.Cut(line[:i], ";")
			return strings.ToUpper(name), strings.TrimSpace(line[i+1:]), true
		}
	}
	return "", "", false
}

// calendarDay is the day of a date or a time; of an end, that behind the last day.
func calendarDay(s string, end bool) (time.Time, error) {
	day, clock, timed := strings.Cut(s, "T")
	at, err := time.Parse("20060102", day)
	if err != nil || at.Year() < 1900 || at.Year() > 9000 {
		return time.Time{}, fmt.Errorf("a date is not of the form 20261225")
	}
	if end && timed && strings.Trim(clock, "0Z") != "" {
		at = at.AddDate(0, 0, 1)
	}
	return at, nil
}

// everyYear reads a rule of repetition that only says every year.
func everyYear(rule string) (bool, error) {
	for part := range strings.SplitSeq(rule, ";") {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		switch key {
		case "FREQ":
			if value != "YEARLY" {
				return false, fmt.Errorf("an event repeats otherwise than every year: write each day as an event of its own")
			}
		case "INTERVAL":
			if n != 1 {
				return false, fmt.Errorf("an event does not repeat every year: write each day as an event of its own")
			}
		case "WKST":
		case "BYMONTH", "BYMONTHDAY":
			if err != nil || n < 1 { // that of DTSTART
				return false, fmt.Errorf("an event repeats on several days: write each day as an event of its own")
			}
		default:
			return false, fmt.Errorf("an event repeats by %.20q: write each day as an event of its own", key)
		}
	}
	return true, nil
}
