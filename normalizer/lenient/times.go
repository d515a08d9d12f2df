package lenient

import (
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the forms of ISO 8601 in which providers write times; those
// without a zone are UTC.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z0700",
	"2006-01-02 15:04:05.999999999 Z07:00", "2006-01-02 15:04:05.999999999 Z0700", "2006-01-02",
}

// maxTime bounds the text of a time in bytes: comments of RFC 2822 have no end.
const maxTime = 256

// parseTime reads a time in a form of ISO 8601 or RFC 2822; zero where the text
// is neither, or names a zone that is not known.
func parseTime(s string) time.Time {
	if s == "" || len(s) > maxTime {
		return time.Time{}
	}
	if isDigit(s[0]) {
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, s); err == nil && plausible(t) {
				return t.UTC()
			}
		}
	}
	if t, ok := parseMailTime(s); ok && plausible(t) {
		return t.UTC()
	}
	return time.Time{}
}

// parseMailTime reads a date-time of RFC 2822 with its obsolete forms: the day
// of the week is optional, the day has one digit or two, the year two or more,
// comments are anywhere. time.Parse does not do: it takes a zone that it does
// not know for UTC.
func parseMailTime(s string) (time.Time, bool) {
	words, ok := mailWords(s)
	if !ok {
		return time.Time{}, false
	}
	if len(words) > 0 && !isDigit(words[0][0]) { // the day of the week adds nothing
		words = words[1:]
	}
	if len(words) != 5 {
		return time.Time{}, false
	}
	day, ok1 := fixedDigits(words[0], 1, 2)
	month, ok2 := mailMonth(words[1])
	year, ok3 := mailYear(words[2])
	clock, ok4 := mailClock(words[3])
	offset, ok5 := mailZone(words[4])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return time.Time{}, false
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day {
		return time.Time{}, false // 31 of a shorter month
	}
	return t.Add(clock - offset), true
}

// mailWords splits a date-time at blanks and commas, less its comments, which
// may hold further ones.
func mailWords(s string) ([]string, bool) {
	depth := 0
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
			b.WriteByte(' ')
		case c == ')':
			if depth--; depth < 0 {
				return nil, false
			}
		case depth > 0:
		case c == ',' || c == '\t' || c == '\r' || c == '\n':
			b.WriteByte(' ')
		case c < ' ' || c > '~':
			return nil, false
		default:
			b.WriteByte(c)
		}
	}
	return strings.Fields(b.String()), depth == 0
}

// fixedDigits reads a whole number with few to most digits.
func fixedDigits(s string, few, most int) (int, bool) {
	if len(s) < few || len(s) > most {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

// mailMonth reads a month by its first three letters; some write "Sept".
func mailMonth(s string) (time.Month, bool) {
	for m := time.January; m <= time.December; m++ {
		name := m.String()
		if len(s) >= 3 && len(s) <= len(name) && strings.EqualFold(s, name[:len(s)]) {
			return m, true
		}
	}
	return 0, false
}

// mailYear reads a year; those of two and three digits are obsolete.
func mailYear(s string) (int, bool) {
	year, ok := fixedDigits(s, 2, 4)
	switch {
	case !ok:
		return 0, false
	case len(s) == 2 && year < 50:
		return 2000 + year, true
	case len(s) < 4:
		return 1900 + year, true
	}
	return year, true
}

// mailClock reads the time of day. Its seconds are optional, and may be 60.
func mailClock(s string) (time.Duration, bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return 0, false
	}
	hour, ok1 := fixedDigits(parts[0], 1, 2)
	minute, ok2 := fixedDigits(parts[1], 2, 2)
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	clock := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if len(parts) == 2 {
		return clock, true
	}
	whole, _, _ := strings.Cut(parts[2], ".")
	if second, ok := fixedDigits(whole, 2, 2); !ok || second > 60 {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(parts[2], 64)
	if err != nil {
		return 0, false
	}
	return clock + time.Duration(seconds*float64(time.Second)), true
}

// mailZone is the offset of a zone: a number, or one of the names that RFC 2822
// defines. A military letter is not known: RFC 822 gave them the wrong sign, so
// nobody can tell what a sender means by one.
func mailZone(s string) (time.Duration, bool) {
	switch strings.ToUpper(s) {
	case "UT", "GMT", "UTC", "Z":
		return 0, true
	case "EDT":
		return -4 * time.Hour, true
	case "EST", "CDT":
		return -5 * time.Hour, true
	case "CST", "MDT":
		return -6 * time.Hour, true
	case "MST", "PDT":
		return -7 * time.Hour, true
	case "PST":
		return -8 * time.Hour, true
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := strings.Replace(s[1:], ":", "", 1)
	n, ok := fixedDigits(digits, 4, 4)
	if !ok || n%100 > 59 || n > 2359 {
		return 0, false
	}
	offset := time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plausible reports whether a time lies in the years 1970 to 2099, in UTC. Others are
// placeholders, such as 0001-01-01 or 9999-12-31, and RFC 3339 cannot write them all.
func plausible(t time.Time) bool { year := t.UTC().Year(); return year >= 1970 && year < 2100 }
