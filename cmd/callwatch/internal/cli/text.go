package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/handlers/backend"
	"callwatch/handlers/wording"
)

// Clock is a time in UTC as reports show it.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// LocalTime is a time as lists show it.
func LocalTime(t time.Time) string { return t.Local().Format(time.DateTime) }

// TimeText is a time as the API takes it; "" where it is zero.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// Plural is a count of things: "1 call", "2 calls".
func Plural(n int, thing string) string {
	switch word, y := strings.CutSuffix(thing, "y"); {
	case n == 1:
	case y && !strings.ContainsAny(word[len(word)-1:], "aeiou"):
		thing = word + "ies"
	default:
		thing += "s"
	}
	return Grouped(n) + " " + thing
}

// Grouped is a number with commas between thousands.
func Grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// UsageText is how full the store is, in one line.
func UsageText(u *backend.StoreUsage) string {
	text := wording.Bytes(u.Bytes)
	if u.Limit > 0 {
		text += " of " + wording.Bytes(u.Limit)
	}
	if u.GrowthPerDay > 0 {
		text += ", grows by " + wording.Bytes(u.GrowthPerDay) + " a day"
	}
	if u.DaysLeft != nil {
		text += fmt.Sprintf(", reaches the limit in %.1f days", *u.DaysLeft)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Short)) {
		text += fmt.Sprintf("; %s is kept %s less than configured", PrintableText(name), Days(time.Duration(u.Short[name])*time.Second))
	}
	return text
}

// Days is a length of time in days, or hours below two days.
func Days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f d", d.Hours()/24)
}
