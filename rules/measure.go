package rules

import (
	"fmt"
	"math"
	"strconv"

	"callwatch/rules/condition"
	"callwatch/rules/window"
)

// Measure is what is known of a figure of a window, and of how many calls.
type Measure = window.Measure

// LatestText is the latest value as people read it, with the calls it is of:
// "11.9 % or more (30 of 252 measured)".
func (v *Values) LatestText() string { return v.text(v.Latest, &v.Measure) + v.matching() }

// OpeningText, WorstText and ResolvingText are the other values.
func (v *Values) OpeningText() string { return v.text(v.Opening, v.OpeningMeasure) }
func (v *Values) WorstText() string   { return v.text(v.Worst, v.WorstMeasure) }
func (v *Values) ResolvingText() string {
	if v.Resolving == nil {
		return ""
	}
	return v.text(*v.Resolving, v.ResolvingMeasure)
}

// matching are the calls behind a share: those that match, or may where the upper end
// is shown, of those measured.
func (v *Values) matching() string {
	m := &v.Measure
	if !v.Share || m.Measured == 0 {
		return ""
	}
	matching := m.Matching
	if v.Direction == DirectionDown {
		matching += m.Partial
	}
	return fmt.Sprintf(" (%d of %d measured)", matching, m.Measured)
}

const (
	DirectionUp   = "up"
	DirectionDown = "down"
)

// DirectionOf is the direction of a figure as incidents name it; "" of neither side.
func DirectionOf(d condition.Direction) string {
	switch d {
	case condition.Up:
		return DirectionUp
	case condition.Down:
		return DirectionDown
	}
	return ""
}

// text writes one value; of a bounded one, the end that decides.
func (v *Values) text(x float64, m *Measure) string {
	shown := v.shown(x, m)
	if v.Share {
		return percent(shown)
	}
	return FormatNumber(shown)
}

// shown is a value with what is known of it.
func (v *Values) shown(x float64, m *Measure) any {
	switch {
	case m == nil || m.Low == m.High || math.IsNaN(x):
		return x
	case v.Direction == DirectionDown:
		return atMost(x)
	case v.Direction == DirectionUp:
		return atLeast(x)
	default:
		return between(m.Bounds())
	}
}

// Numbers of which one end, or both, are known. Summaries compare the first two as
// numbers.
type (
	atLeast float64
	atMost  float64
	between condition.Bounds
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
	case atLeast:
		return decimal(float64(v)*scale, decimals, roundDown) + unit + " or more", !math.IsNaN(float64(v))
	case atMost:
		return decimal(float64(v)*scale, decimals, roundUp) + unit + " or less", !math.IsNaN(float64(v))
	case between:
		return decimal(v.Low*scale, decimals, roundDown) + " to " + decimal(v.High*scale, decimals, roundUp) + unit, true
	}
	f, ok := toFloat(v)
	return decimal(f*scale, decimals, math.Round) + unit, ok
}

// metValue is the number that a condition met, with what is known of it.
func metValue(c *Condition) any {
	switch {
	case c.Low == nil && c.High == nil:
		return *c.Value
	case c.High == nil || c.Low != nil && *c.Value == *c.Low:
		return atLeast(*c.Value)
	default:
		return atMost(*c.Value)
	}
}
