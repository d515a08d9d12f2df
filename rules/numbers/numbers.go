// Package numbers writes numbers, lengths of time and telephone numbers as people read them,
// also numbers of which only one end is known. It may import rules/condition.
package numbers

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"callwatch/rules/condition"
)

// Numbers of a unit that decides how they are written.
type (
	InPercent float64
	InMillis  float64
	Share     float64
)

// ShareUnit is the unit of rate(...), which no field of a call has.
const ShareUnit = "share"

// OfUnit is a number with its unit, as far as that decides how it is written.
func OfUnit(v float64, unit string) any {
	switch unit {
	case "%":
		return InPercent(v)
	case "ms":
		return InMillis(v)
	case ShareUnit:
		return Share(v)
	}
	return v
}

// Numbers of which one end, or both, are known. Templates compare the first two as
// numbers.
type (
	AtLeast float64
	AtMost  float64
	Between condition.Bounds
)

// decimal writes a number with so many decimals at most, rounded by round.
func decimal(f float64, decimals int, round func(float64) float64) string {
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(round(f*scale)/scale+0, 'f', -1, 64)
}

// A lower end is never shown as larger than it is, nor an upper end as smaller, but
// for the error of floating point.
func roundDown(f float64) float64 { return math.Floor(f + 1e-9) }
func roundUp(f float64) float64   { return math.Ceil(f - 1e-9) }

// written is a number in words, multiplied by scale: "12", "12 or more", "3 to 5".
func written(v any, scale float64, decimals int, unit string) (string, bool) {
	switch v := v.(type) {
	case AtLeast:
		return decimal(float64(v)*scale, decimals, roundDown) + unit + " or more", !math.IsNaN(float64(v))
	case AtMost:
		return decimal(float64(v)*scale, decimals, roundUp) + unit + " or less", !math.IsNaN(float64(v))
	case Between:
		return decimal(v.Low*scale, decimals, roundDown) + " to " + decimal(v.High*scale, decimals, roundUp) + unit, true
	}
	f, ok := Float(v)
	return decimal(f*scale, decimals, math.Round) + unit, ok
}

// Percent writes a share of 0..1 as a percentage. Numbers whose unit is percent
// are as they are; of those without a unit the ones above 1.
func Percent(v any) string {
	scale := 1.0
	_, already := v.(InPercent)
	_, isShare := v.(Share)
	if f, ok := Float(v); isShare || ok && !already && math.Abs(f) <= 1 {
		scale = 100
	}
	if b, ok := v.(Between); ok && math.Abs(b.High) <= 1 {
		scale = 100
	}
	text, ok := written(v, scale, 1, " %")
	if !ok {
		return "unknown"
	}
	return text
}

// Format writes a number with two decimals at most.
func Format(v any) string {
	text, ok := written(v, 1, 2, "")
	if !ok {
		return "unknown"
	}
	return text
}

// FormatDuration writes a duration as people say it: 45s, 12m, 3h 5m.
func FormatDuration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60), " 0s")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60), " 0m")
	}
}

// Mask hides a telephone number but for its country code's first digit and
// its last two. What is no number is hidden whole but for its first letter.
func Mask(s string) string {
	r := []rune(s)
	if len(r) < 5 {
		return strings.Repeat("•", len(r))
	}
	head, tail := 1, 0
	if r[0] == '+' {
		head, tail = 2, 2
	}
	return string(r[:head]) + strings.Repeat("•", len(r)-head-tail) + string(r[len(r)-tail:])
}

// Float is a number of any kind.
func Float(v any) (float64, bool) {
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.Float64, reflect.Float32:
		return v.Float(), !math.IsNaN(v.Float())
	case reflect.Int, reflect.Int64:
		return float64(v.Int()), true
	default:
		return 0, false
	}
}
