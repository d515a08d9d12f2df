package wording

import (
	"math"
	"strconv"
	"strings"
)

// Percent writes a share of 0..1.
func Percent(v float64) string { return tenth(math.Round(v * 1000)) }

func tenth(permille float64) string {
	return strconv.FormatFloat(permille/10+0, 'f', -1, 64) + " %"
}

// maxDecimals bounds the digits behind the point of a small number.
const maxDecimals = 9

// Significant writes a number with that many significant digits, those before the point
// whole, and without an exponent.
func Significant(v float64, digits int) string {
	decimals := maxDecimals
	if size := math.Abs(v); size > 0 {
		decimals = min(max(digits-1-int(math.Floor(math.Log10(size))), 0), maxDecimals)
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// Amount writes a number, from ten thousand on with a short unit: "812", "12.3 k", "1.2 M".
func Amount(n int64) string {
	v, unit := float64(n), ""
	if math.Abs(v) < 9999.5 {
		return Grouped(strconv.FormatInt(n, 10))
	}
	for _, next := range []string{" k", " M", " G"} {
		if math.Abs(v) < 999.95 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + unit
}

// Seconds writes a length of time in seconds as people read it: "48 s", "3:05",
// "1:02:07"; "" where it is unknown.
func Seconds(v *float64) string {
	if v == nil || math.IsNaN(*v) || *v < 0 || *v > 1e9 {
		return ""
	}
	n := int64(math.Round(*v))
	two := func(n int64) string {
		if n < 10 {
			return "0" + strconv.FormatInt(n, 10)
		}
		return strconv.FormatInt(n, 10)
	}
	switch {
	case n < 60:
		return strconv.FormatInt(n, 10) + " s"
	case n < 3600:
		return strconv.FormatInt(n/60, 10) + ":" + two(n%60)
	}
	return strconv.FormatInt(n/3600, 10) + ":" + two(n/60%60) + ":" + two(n%60)
}
