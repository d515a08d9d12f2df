package condition

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"callwatch/call"
)

const (
	maxShownText = 80
	maxShownList = 5
)

// show is a value as people read it: numbers with at most so many decimals (all
// of them below 0), texts quoted, times as RFC 3339.
func (v value) show(decimals int) string {
	switch v.kind {
	case boolean:
		return strconv.FormatBool(v.truth)
	case number:
		return rounded(v.num, decimals)
	case bounded:
		b, _ := v.ends()
		return between(b, rounded(b.Low, decimals), rounded(b.High, decimals))
	case text:
		return strconv.Quote(shorten(v.text))
	case instant:
		return time.Unix(0, v.when).UTC().Format(time.RFC3339)
	case list:
		return v.showList(decimals)
	case object:
		return "object"
	case interval:
		return "interval of " + ofTime(v.ref.(*call.Interval).Start).show(0)
	case failed:
		return "error"
	default:
		return "unknown"
	}
}

// between words two ends, of which one may be missing.
func between(b Bounds, low, high string) string {
	switch {
	case math.IsInf(b.High, 1):
		return low + " or more"
	case math.IsInf(b.Low, -1):
		return high + " or less"
	default:
		return low + " to " + high
	}
}

func (v value) showList(decimals int) string {
	n := v.size()
	if n > 0 && v.at(0).kind == interval {
		b := v.lengthBounds()
		return ofBounds(b.Low, b.High).show(0) + " intervals"
	}
	var parts []string
	for i := range min(n, maxShownList) {
		parts = append(parts, v.at(i).show(decimals))
	}
	if n > maxShownList {
		parts = append(parts, "...")
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxShownText {
		return s
	}
	return string([]rune(s)[:maxShownText]) + "..."
}

// rounded writes a number with at most so many decimals and without exponent.
func rounded(f float64, decimals int) string {
	if decimals < 0 || f == math.Trunc(f) {
		return plain(f)
	}
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}
